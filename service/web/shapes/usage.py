"""The shapes of usage: of one organization, and of all."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, PlainSerializer, StringConstraints

from service.admin.usage.usage import UsageReport
from service.domain.usage.periods import Period
from service.domain.usage.sums import LimitState, OrganizationUsage, UsageSums
from service.store.usage.listing import Place
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import Instant, Searched, TimeZone
from service.web.shapes.paging import (
    PageQuery,
    QueryParameters,
    place_in_log,
    place_in_time,
    read_cursor,
    write_cursor,
)

Figure = Annotated[Decimal, PlainSerializer(float, return_type=float)]
UsageFormat = Literal["csv", "jsonl"]

UsageSort = Literal[
    "name", "-name", "minutes", "-minutes", "cost", "-cost", "calls", "-calls", "blocked", "-blocked",
    "before", "-before",
]  # fmt: skip


class PeriodQuery(QueryParameters):
    """A period; `to` is exclusive."""

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class UsageQuery(PeriodQuery):
    """A period of one organization, by day or month of a time zone."""

    interval: Literal["day", "month"] = "day"
    time_zone: TimeZone = "UTC"


class UsageListQuery(PeriodQuery, PageQuery):
    """A period, in pages."""


class UsageExportQuery(PeriodQuery):
    """A period, in a format."""

    format: UsageFormat = "csv"


Month = Annotated[str, StringConstraints(pattern=r"^(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])$")]


class MonthQuery(QueryParameters):
    """The page of a month: which one, in which order, and which organizations. `cursor` is how many
    rows were shown before."""

    month: Month | None = None
    sort: UsageSort = "-minutes"
    query: Searched | None = None
    limit: LimitState | None = None
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}$")] | None = None

    @property
    def first(self) -> date | None:
        """The first day of the month."""
        return None if self.month is None else date.fromisoformat(f"{self.month}-01")

    @property
    def place(self) -> int:
        return int(self.cursor or 0)


class Sums(ResponseBody):
    """Sums over calls that began in a time; `calls` includes `blocked_calls`."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    calls: int
    blocked_calls: int
    seconds: Figure
    cost: Figure


class IntervalUsage(Sums):
    """The usage of a day or a month, which begins at `from`."""

    since: Instant = Field(alias="from")


class UsageItem(Sums):
    """An organization's usage in a period. `name`: null if it was deleted and left no name.

    `live_calls` are under way now.
    """

    organization_id: UUID
    name: str | None
    external_id: str | None
    since: Instant = Field(alias="from")
    until: Instant = Field(alias="to")
    live_calls: int


class Usage(Sums):
    """An organization's usage in a period, and in each of its intervals."""

    organization_id: UUID
    since: Instant = Field(alias="from")
    until: Instant = Field(alias="to")
    live_calls: int
    intervals: list[IntervalUsage]


def sums_values(sums: UsageSums) -> dict[str, object]:
    return {
        "calls": sums.calls,
        "blocked_calls": sums.blocked_calls,
        "seconds": sums.seconds,
        "cost": sums.cost,
    }


def usage_values(usage: OrganizationUsage) -> dict[str, object]:
    """The values that both shapes of an organization's usage have."""
    return {
        "organization_id": usage.organization_id,
        "from": usage.period.since,
        "to": usage.period.until,
        **sums_values(usage.sums),
        "live_calls": usage.live_calls,
    }


def usage_shape(report: UsageReport) -> Usage:
    """One organization's usage."""
    parts = [{"from": part.since, **sums_values(part.sums)} for part in report.intervals]
    return Usage.model_validate({**usage_values(report.usage), "intervals": parts})


def item_shape(usage: OrganizationUsage) -> UsageItem:
    """An item of the list."""
    named = {"name": usage.name, "external_id": usage.external_id}
    return UsageItem.model_validate({**usage_values(usage), **named})


def read_place(cursor: str | None) -> tuple[Place, Period] | None:
    """The place after which the list goes on, and its period: a month may end between two pages."""
    found = read_cursor(cursor, read_figure, place_in_log, UUID, place_in_time, place_in_time)
    return None if found is None else ((found[0], found[1], found[2]), Period(found[3], found[4]))


def read_figure(text: str) -> Decimal:
    """A sum of a cursor. Raises `ValueError`."""
    if not text.replace(".", "", 1).isascii() or not text.replace(".", "", 1).isdigit():
        raise ValueError("invalid place")
    return Decimal(text[:40])


def write_place(usage: OrganizationUsage) -> str:
    """The cursor of a place."""
    period = usage.period.since.isoformat(), usage.period.until.isoformat()
    seconds = f"{usage.sums.seconds:f}"
    return write_cursor(seconds, usage.sums.calls, usage.organization_id, *period)
