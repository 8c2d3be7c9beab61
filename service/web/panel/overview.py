"""The first page: figures, and the conditions that need attention."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from service.admin.conditions import NUMBER_KINDS
from service.admin.overview import Overview, OverviewFigures
from service.domain.phone_numbers import SyncState
from service.web.panel.kit.badges import Badge, state_badge
from service.web.panel.kit.banners import ConditionNotice, condition_notice
from service.web.panel.kit.charts import Chart, chart_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.fields import in_utc

SHOWN_REASONS = 5


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many numbers have a state."""

    state: SyncState
    badge: Badge
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class OverviewView:
    """The figures and the conditions of the page. `since`: where the counted last 24 hours begin."""

    figures: OverviewFigures
    notices: Sequence[ConditionNotice]
    numbers: int
    states: Sequence[StateCount]
    blocked: Sequence[tuple[str, int]]
    hours: Chart
    days: Chart
    since: str

    @property
    def all_well(self) -> bool:
        """Whether every number is known to be guarded, and nothing else needs attention."""
        calm = not self.figures.needs_attention and not self.figures.has_holes
        return calm and [one.state for one in self.states] == [SyncState.IN_SYNC]

    @property
    def unguarded(self) -> list[StateCount]:
        """The numbers that are not in sync and that no condition names, by state: paused ones, those
        pending for a moment, and drifted ones where nothing is repaired."""
        named = {one.kind for one in self.figures.conditions}
        return [
            one
            for one in self.states
            if one.state is not SyncState.IN_SYNC and NUMBER_KINDS.get(one.state.value) not in named
        ]

    @property
    def has_calls(self) -> bool:
        """Whether the charts have something to show."""
        return bool(self.numbers or self.figures.calls_today)


def view_of(figures: OverviewFigures) -> OverviewView:
    """The figures as the page prints them."""
    hours = [(hour.at, hour.calls, sum(hour.blocked.values())) for hour in figures.hours]
    days = [(day.at, day.calls, day.blocked) for day in figures.days]
    return OverviewView(
        figures,
        [condition_notice(condition) for condition in figures.conditions],
        sum(figures.numbers.values()),
        [
            StateCount(state, state_badge(state), count, f"{ROOT}/numbers?sync_state={state.value}")
            for state in SyncState
            if (count := figures.numbers.get(state.value, 0))
        ],
        figures.blocked[:SHOWN_REASONS],
        chart_of("hours", "Calls per hour", "hour", "%H:%M", hours),
        chart_of("days", "Calls per day", "day", "%d %b", days),
        in_utc(figures.hours[0].at),
    )


@dataclass(frozen=True, slots=True)
class OverviewPages:
    """Read the figures, render."""

    overview: Overview

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "", self.page)]

    async def page(self, visit: Visit) -> web.Response:
        """The overview; the page fetches itself again every few seconds."""
        view = view_of(await self.overview.figures())
        return await visit.show("overview/page.html", view=view)
