"""What a sweep finds: the plan of each registered number on Vapi's pages. Writes nothing at Vapi.

What is found is recorded page by page.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import structlog

from service.domain.phone_numbers import SyncState
from service.domain.reconcile import AnswerFacts
from service.domain.standing import AccessStanding
from service.domain.sweeps import MissingNumber, Repair, SweepReport
from service.reconcile import brakes
from service.reconcile.listing import UnreadError, VapiListing
from service.reconcile.steps.number_facts import ObservedNumber
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.number_plan import NumberPlan, number_plan
from service.store.phone_numbers import successors
from service.store.phone_numbers.unanswered import record_answers
from service.store.pool import Pool
from service.store.reconcile import sweeps
from service.store.reconcile.sweeps import SeenNumber
from service.vapi.elements import SHAPE_ERRORS
from service.vapi.resources import PhoneNumberView

log = structlog.get_logger()

YIELD_EVERY = 50
"""After so many numbers the event loop may do something else: calls wait for their decision."""


@dataclass(slots=True)
class SweepPage:
    """Counts over all pages. `ordered`: an admin asked for the sweep. `expected` repairs do not count
    for the brake: an admin ordered them, or only our secret is new. `recheck`: the stored state of
    these numbers is stale. `unknown`: what Vapi shows of these numbers, or of what answers them, could
    not be read. `answers`: what answers numbers differently than stored."""

    ordered: bool
    checked: int = 0
    in_sync: int = 0
    shadowed: int = 0
    paused: int = 0
    busy: int = 0
    unknown: int = 0
    pages: int = 0
    expected: int = 0
    repairs: list[Repair] = field(default_factory=list)
    left: list[Repair] = field(default_factory=list)
    recheck: list[UUID] = field(default_factory=list)
    answers: list[AnswerFacts] = field(default_factory=list)

    def fill(self, report: SweepReport, unseen: int, missing: list[MissingNumber]) -> None:
        """Write the counts and lists into a report; `unseen` numbers are read one by one."""
        report.checked = self.checked + unseen + len(missing)
        report.unknown = self.unknown
        report.in_sync = self.in_sync
        report.drifted = len(self.repairs) + len(self.left)
        report.shadowed, report.paused, report.pages = self.shadowed, self.paused, self.pages
        report.missing = report.failed = len(missing)
        report.missing_numbers = missing
        report.remaining = self.busy + unseen
        report.repairs, report.left = self.repairs, self.left
        report.plan = brakes.plan_of(self.repairs)


@dataclass(frozen=True, slots=True)
class SweepPageReader:
    """Plans the numbers of one sweep's pages."""

    pool: Pool
    rules: NumberPass
    sweep_id: int
    listing: VapiListing
    found: SweepPage

    async def read(self, page: Sequence[PhoneNumberView]) -> None:
        """Plan the registered numbers of a page, and record what was found."""
        views = {view.id: view for view in page if view.id}
        seen = await sweeps.find_seen(self.pool, self.sweep_id, list(views))
        await self.note_successors(seen, views)
        standings = await self.standings_of(seen)
        in_sync: list[UUID] = []
        entries: list[dict[str, Any]] = []
        for place, number in enumerate(seen):
            if place % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if number.again:
                continue
            claim = number.claim
            view = views[number.claim.vapi_phone_number_id]
            entry = await self.judge(number, view, standings)
            if entry is None:
                in_sync.append(claim.phone_number_id)
            elif entry:
                entries.append({"id": str(claim.phone_number_id), "claim": claim.claim, **entry})
        await sweeps.mark_seen(
            self.pool, self.sweep_id, [number.claim.phone_number_id for number in seen], in_sync
        )
        if entries:
            await sweeps.record_drift(self.pool, entries)
        if self.found.answers:
            await record_answers(self.pool, self.found.answers)
            self.found.answers = []

    async def note_successors(
        self, seen: Sequence[SeenNumber], views: Mapping[str, PhoneNumberView]
    ) -> None:
        """Note numbers that may be missing ones under a new id. Only an admin links them: by now they
        may be another organization's."""
        registered = {number.claim.vapi_phone_number_id for number in seen}
        found = [
            (view.number, vapi_id, view.org_id)
            for vapi_id, view in views.items()
            if vapi_id not in registered and view.number
        ]
        if found and await successors.has_missing(self.pool):
            await successors.note_successors(self.pool, found)

    async def standings_of(self, seen: Sequence[SeenNumber]) -> Mapping[UUID, AccessStanding]:
        """The access standings of a page's organizations."""
        known = self.rules.gate_step.standings
        if known is None:
            return {}
        return await known.read(
            list({one for number in seen if (one := number.claim.organization_id)})
        )

    async def judge(
        self, number: SeenNumber, view: PhoneNumberView, standings: Mapping[UUID, AccessStanding]
    ) -> dict[str, Any] | None:
        """Compare one number, as `compare`; what cannot be read spoils this number only."""
        self.found.checked += 1
        try:
            return await self.compare(number, view, standings)
        except UnreadError:
            pass
        except SHAPE_ERRORS:
            self.listing.malformed += 1
            log.exception("sweep.number_unreadable", phone_number_id=number.claim.phone_number_id)
        self.found.checked -= 1
        self.found.unknown += 1
        return {}

    async def compare(
        self, number: SeenNumber, view: PhoneNumberView, standings: Mapping[UUID, AccessStanding]
    ) -> dict[str, Any] | None:
        """Plan one number. Returns what to record; empty for nothing, None for a number in sync."""
        found, claim = self.found, number.claim
        if number.busy:
            found.busy += 1
            return {}
        standing = standings.get(claim.organization_id) if claim.organization_id else None
        desired = self.rules.desired_for(claim, standing, enforced=found.ordered)
        # What an unbound number gets back answers it after the repair, so it is read as well.
        answering = PhoneNumberView({**(claim.kept.unbound or {}), **view.raw})
        bound = await self.listing.bound(answering)
        answer = await self.listing.answer(claim, view)
        if answer is not None and answer != number.answer and not number.newer:
            found.answers.append(answer)
        plan = number_plan(desired, ObservedNumber(view, bound), claim)
        if plan.found.drift and not number.newer:
            return self.note(number, plan)
        found.in_sync += 1
        if number.newer:
            # The lists may be older. If it drifted again since, the next sweep finds that.
            return {}
        if number.state is SyncState.PAUSED and claim.paused:
            return {"state": "paused", "drift": [], "error": None, "problem": None}
        in_sync = plan.found.state in (SyncState.IN_SYNC, SyncState.PAUSED)
        if number.state is SyncState.IN_SYNC and in_sync and not plan.changes:
            return None
        found.recheck.append(claim.phone_number_id)
        return {}

    def note(self, number: SeenNumber, plan: NumberPlan) -> dict[str, Any]:
        """Count a number with drift, list its repair, and return what to record."""
        found, claim = self.found, number.claim
        repair = Repair(claim.phone_number_id, plan.found.drift)
        waiting = number.waiting and not found.ordered
        found.shadowed += plan.shadowed
        found.paused += claim.paused
        if claim.paused or waiting or not plan.changes:
            found.left.append(repair)
        else:
            found.repairs.append(repair)
            found.expected += claim.ordered_by is not None or plan.is_expected
        if waiting and not claim.paused:
            return {}
        is_back = claim.paused and number.state is SyncState.MISSING
        if is_back or (plan.found.problem == "fight" and claim.problem != "fight"):
            found.recheck.append(claim.phone_number_id)
        shadowed = plan.found.problem == "shadowed"
        state = SyncState.SHADOWED if shadowed else SyncState.DRIFTED
        return {
            "state": state.value,
            "drift": [asdict(entry) for entry in repair.changes],
            "error": plan.found.error,
            "problem": plan.found.problem,
        }
