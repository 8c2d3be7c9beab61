"""The first page: figures, and the conditions that need attention."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.overview import Overview
from service.domain.phone_numbers import SyncState
from service.web.panel.kit.charts import chart_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit


@dataclass(frozen=True, slots=True)
class OverviewPages:
    """Reads the figures, renders."""

    overview: Overview

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "", self.page)]

    async def page(self, visit: Visit) -> web.Response:
        """The overview; it asks for itself again every few seconds."""
        figures = await self.overview.figures()
        hours = [(hour.at, hour.calls, sum(hour.blocked.values())) for hour in figures.hours]
        days = [(day.at, day.calls, day.blocked) for day in figures.days]
        states = [
            (state.value, figures.numbers[state.value])
            for state in SyncState
            if figures.numbers.get(state.value)
        ]
        return await visit.show(
            "overview/page.html",
            figures=figures,
            states=states,
            numbers=sum(figures.numbers.values()),
            hours=chart_of(hours),
            days=chart_of(days),
        )
