"""Reconciling in the panel: the state of all webhooks, a dry run, applying its repairs, the pause."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.errors import PreconditionFailedError
from service.admin.reconcile.sweeps import ReconcileCases
from service.admin.requests.versions import expecting
from service.domain.errors import CallgateError, InvalidError
from service.domain.sweeps import Repair, SweepReport
from service.domain.wording.sweeps import describe_repairs
from service.store import audit
from service.store.pool import Pool
from service.web.panel.kit.forms import FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.versions import expected_of
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.reconcile.views import (
    SHOWN_RELEASING,
    SHOWN_REPAIRS,
    DryRunView,
    StatusView,
)
from service.web.shapes.reconcile import PauseBody

HERE = f"{ROOT}/repairs"
UNLISTED = f"{ROOT}/numbers?condition=numbers_unlisted"
PROMPT_SECONDS = 5.0
"""How long the page waits for repairs before it shows their progress instead."""

CHANGED_SINCE = (
    "The repairs have changed since the dry run, so nothing was changed. Start another dry run."
)
PAUSE_CHANGED = (
    "Another admin paused or resumed the repairs after you opened the page, so nothing is done yet. "
    "The page shows their present state."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReconcilePages:
    """Read requests, call the use cases, render. `under_way` are repairs that outlast their page."""

    pool: Pool
    cases: ReconcileCases
    under_way: set[asyncio.Task[SweepReport]] = field(default_factory=set)

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/repairs", self.show),
            PanelPage("GET", "/repairs/state", self.state),
            PanelPage("POST", "/repairs/look", self.look, is_long=True),
            PanelPage("POST", "/repairs/apply", self.apply, "admin", is_long=True),
            PanelPage("POST", "/repairs/pause", self.pause, "admin"),
            PanelPage("POST", "/repairs/resume", self.resume, "admin"),
        ]

    async def show(self, visit: Visit, status: int = 200, **context: Any) -> web.Response:
        """The state of all webhooks."""
        values = {"values": {}, "faults": {}, "problem": "", "suspected": "", **context}
        return await visit.show("reconcile/page.html", status, view=await self.view(), **values)

    async def state(self, visit: Visit) -> web.Response:
        """The same as a part, for a page that watches repairs."""
        return await visit.show("reconcile/state.html", view=await self.view())

    async def view(self) -> StatusView:
        releasing = await self.cases.list_releasing(SHOWN_RELEASING)
        return StatusView(await self.cases.status(), bool(self.under_way), releasing)

    async def look(self, visit: Visit) -> web.Response:
        """Start a dry run and show its repairs; nothing is changed."""
        try:
            report = await self.cases.reconcile(visit.actor, dry_run=True, plan=None)
        except CallgateError as exc:
            return await self.show(visit, 503, **problem_of(exc))
        shown = [*report.repairs[:SHOWN_REPAIRS], *report.left[:SHOWN_REPAIRS]]
        view = DryRunView(report, await self.names(shown))
        return await visit.show("reconcile/plan.html", view=view)

    async def names(self, repairs: list[Repair]) -> Mapping[str, str]:
        return await audit.find_names(self.pool, [str(one.phone_number_id) for one in repairs])

    async def apply(self, visit: Visit) -> web.Response:
        """Apply the repairs of a dry run by its plan. Long repairs continue while the page moves on."""
        plan = text_of(await visit.form(), "plan")[:200]
        if not plan:
            return await self.show(
                visit, 422, problem="Start a dry run first. Repairs are applied by its plan."
            )
        task = asyncio.create_task(self.cases.reconcile(visit.actor, dry_run=False, plan=plan))
        self.under_way.add(task)
        task.add_done_callback(self.finished)
        done, _ = await asyncio.wait({task}, timeout=PROMPT_SECONDS)
        if not done:
            return await visit.go(HERE, notice="The repairs are in progress.")
        try:
            report = task.result()
        except CallgateError as exc:
            if exc.code in ("too_many_changes", "plan_changed"):
                return await self.show(visit, 409, problem=CHANGED_SINCE)
            return await self.show(visit, 503, **problem_of(exc))
        return await visit.go(HERE, notice=describe_repairs(report))

    def finished(self, task: asyncio.Task[SweepReport]) -> None:
        """Drop finished repairs. Their errors are in the log and in the numbers' states."""
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("repairs.failed", error=str(error))

    async def pause(self, visit: Visit) -> web.Response:
        """Change nothing at Vapi for any number for a while."""
        form = await visit.form()
        try:
            body = read(PauseBody, form)
            noted = RecordedChanges.of(visit.actor)
            with expecting(expected_of(form)):
                await self.cases.pause(noted, reason=body.reason, until=body.until)
        except PreconditionFailedError as exc:
            return await self.show(visit, exc.status, problem=PAUSE_CHANGED)
        except FormError as exc:
            return await self.show(visit, 422, faults=exc.faults, values=dict(form))
        except InvalidError as exc:
            return await self.show(visit, 422, faults={"until": exc.message}, values=dict(form))
        return await changed(visit, noted, "Repairs are paused. Callgate changes nothing at Vapi.")

    async def resume(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        try:
            with expecting(expected_of(await visit.form())):
                await self.cases.resume(noted)
        except PreconditionFailedError as exc:
            return await self.show(visit, exc.status, problem=PAUSE_CHANGED)
        return await changed(visit, noted, "Repairs are resumed. A sweep starts now.")


def problem_of(exc: CallgateError) -> dict[str, str]:
    """The problem in a sentence, and the list of the numbers that Vapi's list lacks, if it says so."""
    suspected = UNLISTED if "unlisted" in exc.facts else ""
    return {"problem": exc.message, "suspected": suspected}


async def changed(visit: Visit, noted: RecordedChanges, text: str) -> web.Response:
    return await visit.go(HERE, notice=text, undo=noted.entries[-1] if noted.entries else None)
