"""What a seed contains about numbers: registrations, releases, other writers at Vapi, and deletions."""

import random
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from service.store.organizations.directory import DirectoryEntry

ForeignKind = Literal["move", "notes", "inside", "hook", "delete"]
MOST_MOVES = 2
"""A third repair that another tool undoes within the hour is a fight, and stays undone."""


@dataclass(frozen=True, slots=True)
class PlannedNumber:
    """A number at Vapi; with an organization it is registered, and perhaps released later."""

    vapi_id: str
    id: UUID
    organization_id: UUID | None
    gate: Literal["event", "request"]
    at_vapi: dict[str, Any]
    registered_at: float
    released_at: float | None


@dataclass(frozen=True, slots=True)
class ForeignWrite:
    """Another tool's change of a number at Vapi."""

    moment: float
    vapi_id: str
    kind: ForeignKind
    value: str


@dataclass(frozen=True, slots=True)
class NumberStory:
    """`sweep_seconds` between sweeps, `rate` the budget in requests a second, `page` the most that
    Vapi lists at once."""

    numbers: tuple[PlannedNumber, ...]
    writes: tuple[ForeignWrite, ...]
    sweep_seconds: float
    rate: float
    page: int


def tell_numbers(
    chance: random.Random, entries: tuple[DirectoryEntry, ...], begin: float, calm: float
) -> NumberStory:
    """Draw the numbers; those of the calls are registered at the start and stay."""
    numbers = [
        new_number(chance, one.vapi_phone_number_id, one.id, one.organization_id, (begin - 4, None))
        for entry in entries
        for one in entry.phone_numbers
    ]
    for index in range(chance.randint(0, 3)):
        owner = chance.choice((*(entry.organization.id for entry in entries), None))
        since = chance.choice((begin - 4, chance.uniform(begin, calm)))
        until = chance.choice((None, chance.uniform(since, calm))) if owner else None
        one = UUID(int=chance.getrandbits(128), version=4)
        numbers.append(new_number(chance, f"other-{index}", one, owner, (since, until)))
    writes = [new_write(chance, numbers, begin, calm) for _ in range(chance.randint(0, 4))]
    return NumberStory(
        tuple(numbers),
        tuple(without_fights(sorted(writes, key=lambda one: one.moment))),
        sweep_seconds=chance.choice((5.0, 15.0)),
        rate=chance.choice((0.8, 1.4, 3.0)),
        page=chance.choice((2, 3, 1000)),
    )


def new_number(
    chance: random.Random,
    vapi_id: str,
    number_id: UUID,
    organization_id: UUID | None,
    registered: tuple[float, float | None],
) -> PlannedNumber:
    """A number with what was configured before us."""
    former = {
        "url": "https://old.example.net/hook",
        "timeoutSeconds": 7,
        "credentialId": "550e8400-e29b-41d4-a716-446655440000",
        "headers": {"X-Theirs": "keep"},
    }
    at_vapi: dict[str, Any] = {"name": f"Number {vapi_id}"}
    if chance.random() < 0.6:
        at_vapi["server"] = former
    if chance.random() < 0.4:
        hook = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome first!"}]}
        at_vapi["hooks"] = [hook]
    if chance.random() < 0.4:
        at_vapi["assistantId"] = "assistant-1"
    gate = chance.choice(("event", "event", "request"))
    return PlannedNumber(
        vapi_id,
        number_id,
        organization_id,
        gate,  # type: ignore[arg-type]
        at_vapi,
        *registered,
    )


def new_write(
    chance: random.Random, numbers: list[PlannedNumber], begin: float, calm: float
) -> ForeignWrite:
    kind: ForeignKind = chance.choice(
        ("move", "move", "notes", "inside", "hook", "hook", "move", "delete")
    )
    moment = chance.uniform(begin, calm)
    value = f"v{chance.randint(100, 999)}"
    return ForeignWrite(moment, chance.choice(numbers).vapi_id, kind, value)


def without_fights(writes: list[ForeignWrite]) -> list[ForeignWrite]:
    """Leave out moves of a number beyond those that are repaired."""
    kept: list[ForeignWrite] = []
    for one in writes:
        moves = [other for other in kept if (other.vapi_id, other.kind) == (one.vapi_id, "move")]
        if one.kind != "move" or len(moves) < MOST_MOVES:
            kept.append(one)
    return kept
