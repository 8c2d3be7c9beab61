"""Usage as pages print it: rows of clients, totals, bars of days, and how far limits are used. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.admin.usage.usage import ClientUsage, LimitReport, OrganizationMonth
from service.domain.usage.sums import (
    NOTHING,
    IntervalUsage,
    LimitState,
    LimitUse,
    UsageSums,
)
from service.domain.wording.usage import format_cost, format_minutes
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.charts import FOOT, HEIGHT, TOP, WIDTH
from service.web.panel.kit.links import TextLink
from service.web.panel.kit.visit import ROOT

BADGES: dict[LimitState, Badge] = {
    "near": Badge("80 % of a limit", "wait"),
    "reached": Badge("Limit reached", "bad"),
}


@dataclass(frozen=True, slots=True)
class SumsView:
    """Sums as texts; `calls` and `blocked` are formatted by the template."""

    sums: UsageSums

    @property
    def calls(self) -> int:
        return self.sums.calls

    @property
    def blocked(self) -> int:
        return self.sums.blocked_calls

    @property
    def minutes(self) -> str:
        return format_minutes(self.sums.seconds)

    @property
    def cost(self) -> str:
        return format_cost(self.sums.cost)


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client in the list. `address` is "" for a deleted organization. `live` leads to its calls under
    way; it and `badge` are those of now, so another month than this has neither."""

    name: str
    address: str
    this: SumsView
    last: SumsView
    live: TextLink | None
    badge: Badge | None


def live_link(organization_id: UUID, calls: int) -> TextLink:
    """How many calls of an organization are under way, and the list of them."""
    return TextLink(f"{calls:,} live", f"{ROOT}/calls?live=true&organization_id={organization_id}")


def client_row(client: ClientUsage, *, is_current: bool) -> ClientRow:
    usage = client.this
    deleted = not client.exists
    name = usage.name or str(usage.organization_id)
    return ClientRow(
        f"{name} (deleted)" if deleted else name,
        "" if deleted else f"{ROOT}/organizations/{usage.organization_id}",
        SumsView(usage.sums),
        SumsView(client.last),
        live_link(usage.organization_id, usage.live_calls)
        if usage.live_calls and is_current
        else None,
        BADGES[client.state] if client.state is not None and is_current else None,
    )


def totals(clients: Iterable[ClientUsage]) -> tuple[SumsView, SumsView]:
    """All clients together: this month, and last month."""
    this, last = NOTHING, NOTHING
    for client in clients:
        this, last = this + client.this.sums, last + client.last
    return SumsView(this), SumsView(last)


@dataclass(frozen=True, slots=True)
class DayBar:
    """The minutes of one day as a bar. `tick` is the label below it."""

    day: str
    sums: SumsView
    title: str
    tick: str
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class DayChart:
    """Minutes by day. `most` are those of the day with the most."""

    title: str
    description: str
    bars: Sequence[DayBar]
    most: str
    width: float = WIDTH
    height: float = HEIGHT
    foot: float = HEIGHT - FOOT
    tick_y: float = HEIGHT - 4


def day_chart(title: str, days: Sequence[tuple[datetime, UsageSums]]) -> DayChart:
    """A chart of days, each with its beginning in the time zone to be shown."""
    most = max((sums.seconds for _, sums in days), default=Decimal(0))
    room, foot, step = HEIGHT - FOOT - TOP, HEIGHT - FOOT, WIDTH / max(len(days), 1)
    bars = []
    for number, (at, sums) in enumerate(days):
        tall = room * float(sums.seconds / most) if most else 0.0
        day, view = f"{at:%d %b}", SumsView(sums)
        text = f"{day}: {view.minutes} minutes, {view.calls} calls"
        sizes = (number * step + step * 0.1, step * 0.8, foot - tall, tall)
        tick = "" if number % 7 else day
        bars.append(DayBar(day, view, text, tick, *(round(size, 1) for size in sizes)))
    total = sum((sums for _, sums in days), NOTHING)
    described = (
        f"{format_minutes(total.seconds)} minutes in all, at most {format_minutes(most)} a day."
    )
    return DayChart(title, described, bars, format_minutes(most))


@dataclass(frozen=True, slots=True)
class LimitBar:
    """How much of a limit is used, as a bar: `value` of 100, at most all of it."""

    label: str
    text: str
    value: int
    state: str


def limit_bar(use: LimitUse) -> LimitBar:
    match use.kind:
        case "minutes":
            label = "Minutes"
            text = f"{format_minutes(use.used * 60)} of {format_minutes(use.limit * 60)}"
        case "cost":
            label, text = "Cost", f"{format_cost(use.used)} of {format_cost(use.limit)}"
        case "concurrent_calls":
            label, text = "Calls at the same time", f"{use.used:.0f} of {use.limit:.0f}"
    value = min(round(use.share * 100), 100)
    return LimitBar(label, f"{text} ({use.share:.0%})", value, use.state or "")


@dataclass(frozen=True, slots=True)
class OrganizationUsageView:
    """The part of an organization's page."""

    month: OrganizationMonth
    chart: DayChart
    bars: Sequence[LimitBar]

    @property
    def this(self) -> SumsView:
        return SumsView(self.month.usage.sums)

    @property
    def last(self) -> SumsView:
        return SumsView(self.month.last)

    @property
    def live(self) -> TextLink:
        return live_link(self.month.usage.organization_id, self.month.usage.live_calls)

    @property
    def limits(self) -> LimitReport:
        return self.month.limits

    @property
    def has_calls(self) -> bool:
        return bool(self.month.usage.sums.calls)


def usage_view(month: OrganizationMonth) -> OrganizationUsageView:
    """An organization's usage this month, by its own days."""
    days = local_days(month.days, month)
    title = f"Minutes per day ({month.zone.key})"
    return OrganizationUsageView(
        month, day_chart(title, days), [limit_bar(one) for one in month.limits.uses]
    )


def local_days(
    days: Sequence[IntervalUsage], month: OrganizationMonth
) -> list[tuple[datetime, UsageSums]]:
    return [(day.since.astimezone(month.zone), day.sums) for day in days]
