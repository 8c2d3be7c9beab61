"""Settings and health in the panel: the doctor's findings, the background loops, the settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from service.admin.doctor.check import DoctorFinding, Level
from service.admin.doctor.report import Examinations
from service.background import LoopState, LoopStatus
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.navigation import page_name
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit

RESULTS: Mapping[Level, Badge] = {
    "ok": Badge("All checks passed", "good"),
    "note": Badge("All checks passed", "good"),
    "warning": Badge("There are warnings", "wait"),
    "failed": Badge("There are errors", "bad"),
}
LEVELS: Mapping[Level, Badge] = {
    "ok": Badge("OK", "good"),
    "note": Badge("To know"),
    "warning": Badge("Warning", "wait"),
    "failed": Badge("Error", "bad"),
}

HERE = "health"
"""The link of conditions that this page itself is about."""

LOOPS: Mapping[LoopStatus, Badge] = {
    "running": Badge("Running", "good"),
    "restarting": Badge("Restarting", "bad"),
    "stopped": Badge("Stopped", "bad"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as the page prints it. Only what is not OK has a remedy."""

    name: str
    badge: Badge
    detail: str
    remedy: str
    address: str
    link: str


def row_of(finding: DoctorFinding) -> FindingRow:
    remedy = "" if finding.level == "ok" else finding.remedy or ""
    elsewhere = finding.link if finding.link != HERE else ""
    address = f"{ROOT}/{elsewhere}" if elsewhere else ""
    link = f"Open {page_name(elsewhere)}" if elsewhere else ""
    return FindingRow(finding.name, LEVELS[finding.level], finding.detail, remedy, address, link)


@dataclass(frozen=True, slots=True)
class DoctorPages:
    """Run no check until an operator asks: the checks send requests to Vapi."""

    examinations: Examinations
    loops: Callable[[], Sequence[LoopState]]

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/health", self.page),
            PanelPage("POST", "/health", self.examine, is_long=True),
        ]

    async def page(self, visit: Visit) -> web.Response:
        return await self.show(visit)

    async def examine(self, visit: Visit) -> web.Response:
        """Run all checks. htmx puts the findings in place; other browsers reload the page."""
        await self.examinations.examine()
        if visit.partial:
            return await self.show(visit)
        return await visit.go(f"{ROOT}/health")

    async def show(self, visit: Visit) -> web.Response:
        report = self.examinations.last
        return await visit.show(
            "doctor/page.html",
            report=report,
            result=RESULTS[report.level] if report else None,
            rows=[row_of(finding) for finding in report.findings] if report else [],
            loops=[(loop, LOOPS[loop.status]) for loop in self.loops()],
            settings=[(line, line.value or "—") for line in self.examinations.settings()],
        )
