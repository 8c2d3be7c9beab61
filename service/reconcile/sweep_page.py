"""What a sweep finds on the pages: each registered number compared with its desired state. No writes
at Vapi; what is found is recorded page by page."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, SyncState
from service.domain.standing import AccessStanding
from service.domain.sweeps import Repair, SweepReport
from service.reconcile import brakes
from service.reconcile.observe import VapiListing
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import is_rotation, seen_form
from service.reconcile.steps.assistants import WITHIN
from service.reconcile.steps.gate_fields import desired_gates, gate_changes, is_unblocking
from service.reconcile.steps.gate_step import gates_of
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.route import Bound, Route, route_of
from service.reconcile.steps.route_step import RouteView, drift_of, judge
from service.store.pool import Pool
from service.store.reconcile import sweeps
from service.store.reconcile.sweeps import SeenNumber
from service.vapi.resources import PhoneNumberPage, PhoneNumberView

BREATH = 50
"""After so many numbers the event loop may do something else: calls wait for their decision."""

ALONE = RouteView(Bound({}), Route("assistant_request", (), True, (), None), (), ())
"""Nothing answers the number but what we name: then only its own webhook counts."""


@dataclass(slots=True)
class SweepPage:
    """What the pages showed. `expected` repairs surprise nobody: somebody ordered them, or there is
    only a new secret. `recheck`: what is said of these numbers is out of date."""

    everything_paused: bool
    unasked: bool
    checked: int = 0
    in_sync: int = 0
    shadowed: int = 0
    paused: int = 0
    busy: int = 0
    pages: int = 0
    expected: int = 0
    repairs: list[Repair] = field(default_factory=list)
    left: list[Repair] = field(default_factory=list)
    recheck: list[UUID] = field(default_factory=list)

    def fill(self, report: SweepReport, unseen: int, missing: int) -> None:
        """Write the counts into a report."""
        report.checked = self.checked + unseen + missing
        report.in_sync = self.in_sync
        report.drifted = len(self.repairs) + len(self.left)
        report.shadowed, report.paused, report.pages = self.shadowed, self.paused, self.pages
        report.missing = report.failed = missing
        report.remaining = self.busy + unseen
        report.repairs, report.left = self.repairs, self.left
        report.plan = brakes.plan_of(self.repairs)


@dataclass(frozen=True, slots=True)
class SweepPageReader:
    """Looks at pages for one sweep."""

    pool: Pool
    rules: NumberPass
    sweep_id: int
    listing: VapiListing
    found: SweepPage

    async def look_at(self, page: PhoneNumberPage) -> None:
        """The registered numbers of a page: what is as it should be, and what is not."""
        views = {view.id: view for view in page.numbers if view.id}
        seen = await sweeps.find_seen(self.pool, self.sweep_id, list(views))
        standings = await self.standings_of(seen)
        in_sync: list[UUID] = []
        entries: list[dict[str, Any]] = []
        for place, number in enumerate(seen):
            if place % BREATH == 0:
                await asyncio.sleep(0)
            if number.again:
                continue
            self.found.checked += 1
            view = views[number.vapi_phone_number_id]
            entry = await self.compare(number, view, standings)
            if entry is None:
                in_sync.append(number.id)
            elif entry:
                entries.append({"id": str(number.id), "claim": number.claim, **entry})
        await sweeps.mark_seen(self.pool, self.sweep_id, [number.id for number in seen], in_sync)
        if entries:
            await sweeps.record_drift(self.pool, entries)

    async def standings_of(self, seen: Sequence[SeenNumber]) -> Mapping[UUID, AccessStanding]:
        """How the organizations of a page stand."""
        known = self.rules.gating.standings
        if known is None:
            return {}
        return await known.read(list({number.organization_id for number in seen}))

    async def compare(
        self, number: SeenNumber, view: PhoneNumberView, standings: Mapping[UUID, AccessStanding]
    ) -> dict[str, Any] | None:
        """One number: None when it is in sync; what to record of its drift, empty for nothing."""
        found = self.found
        if number.busy:
            found.busy += 1
            return {}
        drift: tuple[FieldDrift, ...] = ()
        if number.problem != "number_refused":
            drift = self.webhook_drift(number, view)
        kept = gates_of(number)
        desired = desired_gates(number.gate, standings.get(number.organization_id))
        drift += gate_changes(desired, view.raw, kept).drift
        sight = await self.sight_of(number, view)
        if drift or not sight.well:
            return self.note(number, view, drift, sight)
        found.in_sync += 1
        if number.state is SyncState.IN_SYNC and not self.is_outlived(number, sight):
            return None
        if number.state is SyncState.PAUSED:
            return {"state": "paused", "drift": [], "error": None, "problem": None}
        found.recheck.append(number.id)
        return {}

    def note(
        self,
        number: SeenNumber,
        view: PhoneNumberView,
        drift: tuple[FieldDrift, ...],
        sight: RouteView,
    ) -> dict[str, Any]:
        """Count drift, plan its repair if we may repair it, and say what to record."""
        routing, desired, found = self.rules.routing, self.rules.desired, self.found
        mendable = routing.is_mendable(number.owned_assistants, sight)
        shadowed = not sight.well and not mendable
        repair = Repair(number.id, (*drift, *drift_of(desired, sight)))
        found.shadowed += shadowed
        if number.paused or found.everything_paused:
            found.paused += 1
            found.left.append(repair)
        elif (not drift and not mendable) or (number.waiting and found.unasked):
            found.left.append(repair)
            if number.waiting:
                return {}
        else:
            found.repairs.append(repair)
            expected = number.ordered or self.is_new_secret(view, drift, sight)
            found.expected += expected or is_unblocking(repair.changes)
        only_shadowed = shadowed and not drift
        return {
            "state": (SyncState.SHADOWED if only_shadowed else SyncState.DRIFTED).value,
            "drift": [asdict(entry) for entry in repair.changes],
            "error": routing.remedy(sight) if shadowed else None,
            "problem": "shadowed" if only_shadowed else None,
        }

    def webhook_drift(self, number: SeenNumber, view: PhoneNumberView) -> tuple[FieldDrift, ...]:
        """What differs on the number itself; of the many it is quickly seen that nothing does."""
        desired = self.rules.desired
        if view.server == webhook_fields.merged(desired, view.server):
            return ()
        shown = seen_form(number.last_applied, desired, view.server)
        return webhook_fields.changes(desired, view.server, shown=shown)

    def is_new_secret(
        self, view: PhoneNumberView, drift: tuple[FieldDrift, ...], sight: RouteView
    ) -> bool:
        """Whether nothing differs, on the number and on its assistants, but that our secret is new."""
        desired = self.rules.desired
        found = [(drift, view.server)] if drift else []
        for assistant_id in sight.wanted:
            server = sight.bound.assistants[assistant_id].server
            found.append((webhook_fields.changes(desired, server, within=WITHIN), server))
        return not sight.others and all(is_rotation(*one, desired) for one in found)

    def is_outlived(self, number: SeenNumber, sight: RouteView) -> bool:
        """Whether the webhook is on assistants that no longer answer the number, or may not carry
        it any more: it is to be taken back from them, or to be put elsewhere. Or on one for another
        number only: it has to stay for this one."""
        if number.problem == "number_refused" and not sight.bound.assistants:
            return True
        routing = self.rules.routing
        owned = number.owned_assistants if routing.allowed else ()
        left = set(number.assistant_ids) - (set(sight.bound.assistants) & set(owned))
        shared = routing.shared(number.assistant_ids, owned, sight)
        return bool(left or shared) and self.rules.enforcing and not self.found.everything_paused

    async def sight_of(self, number: SeenNumber, view: PhoneNumberView) -> RouteView:
        """What answers a number of a page, and what is wrong with that."""
        desired = self.rules.desired
        if not (view.assistant_id or view.squad_id or view.workflow_id):
            return ALONE
        bound = await self.listing.bound(view)
        route = route_of(desired.url, view, bound)
        only_assistants = number.problem == "number_refused"
        return judge(desired, bound, route, number.assistant_ids, all_of_them=only_assistants)
