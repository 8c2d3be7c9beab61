"""Settings and health in the panel: what the doctor says, when somebody asks for it."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.doctor.report import Examinations
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit


@dataclass(frozen=True, slots=True)
class DoctorPages:
    """Nothing is examined until somebody asks: it takes requests to Vapi."""

    examinations: Examinations

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
            settings=self.examinations.settings(),
        )
