"""What a changed chain makes of decided calls: each call, and the differences counted. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

from service.domain.decisions import Decision

MOST_DIFFERENCES = 10_000
"""Kinds of differences that are kept apart, by organization; further ones are counted together."""
EXAMPLES = 3

ObstacleKind = Literal[
    "facts_not_stored",
    "answer_not_stored",
    "failed_then",
    "stale_facts_then",
    "facts_changing",
    "history_deleted",
    "organization_deleted",
]
"""Why a call cannot be replayed: a policy needs facts that are not stored, or it is not asked again and
the call's record has no answer of it; it failed then, as it would not have to again; the service decided
by the last known state, or its facts changed in the seconds before; the history of the facts or the
organization is gone."""


class ComparedDecision(NamedTuple):
    """A decision as it is compared."""

    effect: str
    reason: str
    policy: str | None

    @classmethod
    def of(cls, decision: Decision) -> "ComparedDecision":
        return cls(decision.effect.value, decision.reason, decision.determined_by)


class Obstacle(NamedTuple):
    """Why a call cannot be replayed. `policy`: whose answer is missing; `details`: which facts."""

    kind: ObstacleKind
    policy: str | None = None
    details: str | None = None


class ReplayedCall(NamedTuple):
    """A call that was decided again; `obstacle` says why it could not be."""

    vapi_call_id: str
    organization_id: UUID
    before: ComparedDecision
    after: ComparedDecision | None = None
    obstacle: Obstacle | None = None

    @property
    def differs(self) -> bool:
        """Whether the call would have been decided otherwise."""
        return self.after is not None and self.after != self.before


class DifferenceKind(NamedTuple):
    """Calls of one organization that would have been decided otherwise in the same way."""

    organization_id: UUID
    before: ComparedDecision
    after: ComparedDecision


@dataclass(slots=True)
class DifferenceCount:
    """How many, with the ids of some of them."""

    calls: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReplaySums:
    """The sums of a replay; its memory is bounded by the organizations and `MOST_DIFFERENCES`.

    `undecided` are calls that no policy decided, such as those of unregistered numbers; `unlisted` calls
    whose kind of difference is not kept apart. `is_cut`: the replay ended at its limit of calls.
    """

    calls: int = 0
    same: int = 0
    undecided: int = 0
    unlisted: int = 0
    obstacles: Counter[Obstacle] = field(default_factory=Counter)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: dict[DifferenceKind, DifferenceCount] = field(default_factory=dict)
    organizations: set[UUID] = field(default_factory=set)
    is_cut: bool = False

    @property
    def different(self) -> int:
        """How many calls would have been decided otherwise."""
        return self.changes.total()

    @property
    def not_replayed(self) -> int:
        """How many calls could not be replayed."""
        return self.obstacles.total()

    def add(self, call: ReplayedCall) -> None:
        """Count a call."""
        self.calls += 1
        if call.obstacle is not None:
            self.obstacles[call.obstacle] += 1
        elif call.after is None or not call.differs:
            self.same += 1
        else:
            self.add_difference(call, call.after)

    def add_difference(self, call: ReplayedCall, after: ComparedDecision) -> None:
        self.changes[call.before.effect, after.effect] += 1
        self.organizations.add(call.organization_id)
        kind = DifferenceKind(call.organization_id, call.before, after)
        count = self.differences.get(kind)
        if count is None:
            if len(self.differences) >= MOST_DIFFERENCES:
                self.unlisted += 1
                return
            count = self.differences[kind] = DifferenceCount()
        count.calls += 1
        if len(count.examples) < EXAMPLES:
            count.examples.append(call.vapi_call_id)

    def add_undecided(self) -> None:
        """Count a call that no policy decided."""
        self.calls += 1
        self.undecided += 1

    def list_differences(self) -> Iterator[tuple[DifferenceKind, DifferenceCount]]:
        """The kinds of differences, those of most calls first."""
        yield from sorted(
            self.differences.items(), key=lambda one: (-one[1].calls, str(one[0].organization_id))
        )
