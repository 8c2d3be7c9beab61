"""Settings and health in the panel: the doctor's findings, the background loops, the settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from service.admin.doctor.report import Examinations
from service.background import LoopState, LoopStatus
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit

LOOP_BADGES: Mapping[LoopStatus, tuple[str, str]] = {
    "running": ("good", "Running"),
    "restarting": ("bad", "Restarting"),
    "stopped": ("bad", "Stopped"),
}
"""Colour and label of a loop's status."""


@dataclass(frozen=True, slots=True)
class DoctorPages:
    """Examines only on request: an examination takes requests to Vapi."""

    examinations: Examinations
    loops: Callable[[], Sequence[LoopState]]

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/health", self.page),
            PanelPage("POST", "/health", self.examine),
        ]

    async def page(self, visit: Visit) -> web.Response:
        return await self.show(visit)

    async def examine(self, visit: Visit) -> web.Response:
        """Examine everything; with htmx the findings take their place in the page."""
        await self.examinations.examine()
        if visit.partial:
            return await self.show(visit)
        return await visit.go(f"{ROOT}/health")

    async def show(self, visit: Visit) -> web.Response:
        return await visit.show(
            "doctor/page.html",
            report=self.examinations.last,
            loops=[(loop, *LOOP_BADGES[loop.status]) for loop in self.loops()],
            settings=self.examinations.settings(),
        )
