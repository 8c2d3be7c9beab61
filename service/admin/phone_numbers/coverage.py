"""Use cases for coverage: of one number as Vapi has it now, and of all as stored."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from service.admin.organizations.organizations import stored as stored_organization
from service.domain.coverage.coverage import AtVapi, CallKind, Cover, coverage_of
from service.domain.coverage.holes import Hole
from service.domain.coverage.outage import Outage, outage_of
from service.domain.errors import PhoneNumberNotFoundError
from service.domain.handling import Handling
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber, Sync, SyncState
from service.store.phone_numbers import phone_numbers
from service.store.phone_numbers.coverage import Group, count_groups
from service.store.pool import Pool

NO_ID = UUID(int=0)
SOME_ASSISTANT = "some-assistant"


class CoverageReader(Protocol):
    """The reconciler, as these use cases need it."""

    async def at_vapi(self, vapi_phone_number_id: str) -> AtVapi: ...


@dataclass(frozen=True, slots=True)
class NumberCoverage:
    """How each kind of call is covered, and what happens while Callgate is down."""

    phone_number_id: UUID
    calls: tuple[Cover, ...]
    if_callgate_is_down: Outage


@dataclass(frozen=True, slots=True)
class HoleCount:
    """How many numbers have a hole, for one kind of call."""

    call: CallKind
    hole: Hole
    numbers: int


@dataclass(frozen=True, slots=True)
class Coverages:
    """`ring_gate_default` and `watch_interval` come from the settings."""

    pool: Pool
    vapi: CoverageReader
    ring_gate_default: bool
    watch_interval: float

    async def of(self, phone_number_id: UUID) -> NumberCoverage:
        """One number's coverage; asks Vapi.

        Raises `PhoneNumberNotFoundError`, `VapiPhoneNumberNotFoundError` or `VapiAwayError`.
        """
        number = await phone_numbers.find(self.pool, phone_number_id)
        if number is None:
            raise PhoneNumberNotFoundError
        organization = await stored_organization(self.pool, number.organization_id)
        seen = await self.vapi.at_vapi(number.vapi_phone_number_id)
        ring = self.ring_gate_default
        return NumberCoverage(
            number.id,
            coverage_of(number, organization, seen, ring, self.watch_interval),
            outage_of(number, organization, seen, ring),
        )


async def count_holes(
    pool: Pool, ring_gate_default: bool, watch_interval: float
) -> list[HoleCount]:
    """The holes of all numbers from stored facts, most frequent first; sends no request.

    What Vapi no longer has has no calls that could get through: only that the watch is off concerns all.
    """
    found = Counter[tuple[CallKind, Hole]]()
    for group in await count_groups(pool):
        number, organization = representative(group)
        covers = coverage_of(number, organization, None, ring_gate_default, watch_interval)
        for cover in covers:
            for hole in cover.holes:
                if group.state != SyncState.MISSING or hole.kind == "unwatched":
                    found[cover.kind, hole] += group.numbers
    return [HoleCount(call, hole, numbers) for (call, hole), numbers in found.most_common()]


def representative(group: Group) -> tuple[PhoneNumber, Organization]:
    """A sample number and organization for a whole group."""
    answer = {"assistantId" if group.answers else "squadId": SOME_ASSISTANT}
    number = PhoneNumber(
        id=NO_ID,
        organization_id=NO_ID,
        vapi_phone_number_id="",
        gate="request" if group.gate == "request" else "event",
        answer_with=answer if group.answered else None,
        sync=Sync(
            state=SyncState(group.state),
            level="assistant" if group.level == "assistant" else "phone_number",
        ),
        unanswered=None if group.attached or group.answered or group.forwards else "nothing",
    )
    organization = Organization(
        id=NO_ID,
        name="",
        forward_url="https://somewhere" if group.forwards else None,
        assistant_ids=(SOME_ASSISTANT,) if group.registered else (),
        handling=Handling(ring_gate=group.ring_gate),
    )
    return number, organization
