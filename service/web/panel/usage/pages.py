"""The page of usage: a month by client, with the month before beside it, and the same as a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web

from service.admin.usage.limits import LimitConditions
from service.admin.usage.usage import ClientUsage, UsageReports
from service.domain.errors import InvalidError
from service.web.exports.csv_files import MARK, csv_headers, csv_lines
from service.web.panel.kit.choices import filter_of
from service.web.panel.kit.columns import Column, column, describe_total
from service.web.panel.kit.forms import FormError, judge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import Visit
from service.web.panel.usage.views import client_row, day_chart, totals
from service.web.shapes.usage import MonthQuery, UsageSort

SHOWN = 100
COLUMNS = (
    "organization_id",
    "name",
    "external_id",
    "month",
    "calls",
    "blocked_calls",
    "seconds",
    "cost",
    "month_before_calls",
    "month_before_seconds",
    "month_before_cost",
)
"""The columns of the file."""

SORTED_BY: dict[str, Callable[[ClientUsage], Any]] = {
    "name": lambda one: (one.this.name or "").lower(),
    "calls": lambda one: one.this.sums.calls,
    "blocked": lambda one: one.this.sums.blocked_calls,
    "minutes": lambda one: one.this.sums.seconds,
    "cost": lambda one: one.this.sums.cost,
    "before": lambda one: one.last.seconds,
}


@dataclass(frozen=True, slots=True)
class UsagePages:
    """Read requests, call the use cases, render; every role may see it."""

    usage: UsageReports
    limits: LimitConditions

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/usage", self.page),
            PanelPage("GET", "/usage.csv", self.download),
        ]

    async def page(self, visit: Visit) -> web.Response:
        """The list. Invalid filters are reported, and all clients of this month are shown."""
        filters = read_filters(visit, MonthQuery)
        asked, query = filters.asked, filters.query
        month, today = await self.month_of(query), await self.today()
        clients = await self.clients_of(month)
        chosen = choose(clients, query)
        this, last = totals(clients)
        days = await self.usage.list_days(month)
        shown = query.place + SHOWN
        filtered = bool(asked["query"] or asked["limit"])
        following = month_after(month)
        return await visit.show(
            "usage/list.html",
            filters.status,
            asked=asked,
            fault=filters.fault("clients"),
            month=f"{month:%B %Y}",
            before=f"{month - timedelta(days=1):%B %Y}",
            earlier=visit.here(month=f"{month - timedelta(days=1):%Y-%m}", cursor=None),
            later=visit.here(month=f"{following:%Y-%m}", cursor=None) if following <= today else "",
            limits=filter_of(
                "limit",
                "Limit of the plan",
                [("near", "80 per cent used"), ("reached", "Reached")],
                asked["limit"],
            ),
            total=describe_total(len(chosen), "organization", filtered=filtered),
            this=this,
            last=last,
            chart=day_chart("Minutes per day of all organizations (UTC)", days),
            columns=columns(visit, query.sort),
            rows=[
                client_row(one, is_current=following > today) for one in chosen[query.place : shown]
            ],
            more=visit.here(cursor=shown) if len(chosen) > shown else None,
            csv=visit.here(cursor=None).replace("/usage", "/usage.csv", 1),
            filtered=filtered,
        )

    async def download(self, visit: Visit) -> web.StreamResponse:
        """The list as a file. Raises `InvalidError`."""
        given = {name: visit.asked(name) for name in MonthQuery.model_fields}
        try:
            query = judge(MonthQuery, {name: text for name, text in given.items() if text})
        except FormError as exc:
            raise InvalidError(f"The address has invalid filters: {exc}") from None
        month = await self.month_of(query)
        clients = choose(await self.clients_of(month), query)
        body = MARK + csv_lines([COLUMNS, *(cells(one, month) for one in clients)])
        return web.Response(body=body, headers=csv_headers(f"usage-{month:%Y-%m}.csv"))

    async def clients_of(self, month: date) -> list[ClientUsage]:
        """All clients. How far limits are used is as of the last reading of the conditions, so that
        these lead to as many rows as they count."""
        return await self.usage.read_clients(month, await self.limits.read_states())

    async def month_of(self, query: MonthQuery) -> date:
        """The first day of the month in the address, else of this month in UTC."""
        today = await self.today()
        return (query.first or today).replace(day=1)

    async def today(self) -> date:
        now: datetime = await self.usage.now()
        return now.astimezone(UTC).date()


def month_after(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def choose(clients: Sequence[ClientUsage], query: MonthQuery) -> list[ClientUsage]:
    """The clients that match, in order; those that are equal stay in the order of their names."""
    text = (query.query or "").lower()
    found = [
        one
        for one in clients
        if query.limit in (None, one.state)
        and text in f"{one.this.name or ''}\n{one.this.external_id or ''}".lower()
    ]
    found.sort(key=SORTED_BY["name"])
    key = SORTED_BY[query.sort.lstrip("-")]
    return sorted(found, key=key, reverse=query.sort.startswith("-"))


def columns(visit: Visit, sort: UsageSort) -> list[Column]:
    """The heads; the first click on a figure puts the largest first."""
    return [
        column(visit, "Organization", "name", sort),
        column(visit, "Minutes", "minutes", sort, largest_first=True),
        column(visit, "Cost", "cost", sort, largest_first=True),
        column(visit, "Calls", "calls", sort, wide=True, largest_first=True),
        column(visit, "Blocked", "blocked", sort, wide=True, largest_first=True),
        column(visit, "Minutes the month before", "before", sort, wide=True, largest_first=True),
    ]


def cells(client: ClientUsage, month: date) -> list[str]:
    """The values of a row of the file."""
    usage, last = client.this, client.last
    figures = (
        usage.sums.calls,
        usage.sums.blocked_calls,
        usage.sums.seconds,
        usage.sums.cost,
        last.calls,
        last.seconds,
        last.cost,
    )
    named = (str(usage.organization_id), usage.name or "", usage.external_id or "")
    return [*named, f"{month:%Y-%m}", *map(str, figures)]
