"""Repairs in the panel: how all webhooks stand, a look without a change, carrying out what it found."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.reconcile.sweeps import ReconcileCases
from service.domain.errors import CallgateError, InvalidError
from service.domain.sweeps import Repair, SweepReport
from service.store import audit
from service.store.pool import Pool
from service.web.panel.kit.forms import FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.reconcile import PauseBody

HERE = f"{ROOT}/repairs"
PROMPT_SECONDS = 5.0
"""How long the page waits for repairs before it goes on and shows how they get along."""

SHOWN_REPAIRS = 200

CHANGED_SINCE = (
    "What would be repaired is no longer what you looked at, so nothing was changed. Look again."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReconcilePages:
    """Reads requests, calls the use cases, renders. `under_way` are repairs that pages left running."""

    pool: Pool
    cases: ReconcileCases
    under_way: set[asyncio.Task[SweepReport]] = field(default_factory=set)

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/repairs", self.show),
            PanelPage("GET", "/repairs/state", self.state),
            PanelPage("POST", "/repairs/look", self.look),
            PanelPage("POST", "/repairs/apply", self.apply, "admin"),
            PanelPage("POST", "/repairs/pause", self.pause, "admin"),
            PanelPage("POST", "/repairs/resume", self.resume, "admin"),
        ]

    async def show(self, visit: Visit, status: int = 200, **context: Any) -> web.Response:
        """How things stand."""
        values = {"values": {}, "faults": {}, "problem": "", **context}
        standing = await self.cases.status()
        return await visit.show(
            "reconcile/page.html", status, standing=standing, busy=bool(self.under_way), **values
        )

    async def state(self, visit: Visit) -> web.Response:
        """The same as a part, for a page that watches repairs."""
        standing = await self.cases.status()
        return await visit.show(
            "reconcile/state.html", standing=standing, busy=bool(self.under_way)
        )

    async def look(self, visit: Visit) -> web.Response:
        """Look at every number and show what would be done; nothing is changed."""
        try:
            report = await self.cases.reconcile(visit.actor, dry_run=True, plan=None)
        except CallgateError as exc:
            return await self.show(visit, 503, problem=exc.message)
        shown = report.repairs[:SHOWN_REPAIRS]
        return await visit.show(
            "reconcile/plan.html",
            report=report,
            shown=shown,
            groups=grouped(report.repairs),
            left=report.left[:SHOWN_REPAIRS],
            names=await self.names([*shown, *report.left[:SHOWN_REPAIRS]]),
        )

    async def names(self, repairs: list[Repair]) -> Mapping[str, str]:
        return await audit.find_names(self.pool, [str(one.phone_number_id) for one in repairs])

    async def apply(self, visit: Visit) -> web.Response:
        """Repair what a look found, by its name. What takes long goes on beside the page."""
        plan = text_of(await visit.form(), "plan")[:200]
        if not plan:
            return await self.show(visit, 422, problem="Look first: what is applied has a name.")
        task = asyncio.create_task(self.cases.reconcile(visit.actor, dry_run=False, plan=plan))
        self.under_way.add(task)
        task.add_done_callback(self.finished)
        done, _ = await asyncio.wait({task}, timeout=PROMPT_SECONDS)
        if not done:
            return await visit.go(HERE, notice="The repairs are under way.")
        try:
            report = task.result()
        except CallgateError as exc:
            if exc.code in ("too_many_changes", "plan_changed"):
                return await self.show(visit, 409, problem=CHANGED_SINCE)
            return await self.show(visit, 503, problem=exc.message)
        return await visit.go(HERE, notice=told(report))

    def finished(self, task: asyncio.Task[SweepReport]) -> None:
        """Forget repairs that are over; what went wrong is in the log and in the numbers' states."""
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("repairs.failed", error=str(error))

    async def pause(self, visit: Visit) -> web.Response:
        """Change nothing at Vapi for any number for a while."""
        form = await visit.form()
        try:
            body = read(PauseBody, form)
            noted = RecordedChanges.of(visit.actor)
            await self.cases.pause(noted, reason=body.reason, until=body.until)
        except FormError as exc:
            return await self.show(visit, 422, faults=exc.faults, values=dict(form))
        except InvalidError as exc:
            return await self.show(visit, 422, faults={"until": exc.message}, values=dict(form))
        return await changed(visit, noted, "Paused: nothing is changed at Vapi.")

    async def resume(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        await self.cases.resume(noted)
        return await changed(visit, noted, "Resumed: what drifted meanwhile is looked for now.")


async def changed(visit: Visit, noted: RecordedChanges, text: str) -> web.Response:
    return await visit.go(HERE, notice=text, undo=noted.entries[-1] if noted.entries else None)


def grouped(repairs: list[Repair]) -> list[tuple[str, int]]:
    """Which fields would be changed, on how many numbers; the most frequent first."""
    found: dict[str, int] = {}
    for repair in repairs:
        for change in repair.changes:
            found[change.field] = found.get(change.field, 0) + 1
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def told(report: SweepReport) -> str:
    """What came of repairs, in a sentence."""
    if not report.drifted:
        return "There was nothing to repair."
    parts = [f"{report.repaired} of {report.drifted} repaired"]
    parts += [f"{report.remaining} under way"] if report.remaining else []
    parts += [f"{report.failed} failed"] if report.failed else []
    return f"{', '.join(parts)}."
