"""What the panel and the API read, by name, for `python -m tests.bench panel_lists`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.preview import ChainPreview
from service.admin.conditions import ConditionWatch, StoredConditions
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.admin.overview import Overview
from service.domain.usage.periods import Period, month_of
from service.store.calls import feed, metrics
from service.store.calls.listing import search as calls
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.rows import find_names
from service.store.clock import get_now
from service.store.organizations.directory import ENTRIES, entry_of
from service.store.organizations.search import SORTS as ORGANIZATION_SORTS
from service.store.organizations.search import Filters
from service.store.phone_numbers import search as numbers
from service.store.phone_numbers.search import SORTS as NUMBER_SORTS
from service.store.phone_numbers.search import PhoneNumberFilter
from service.store.usage.listing import list_usage
from service.store.usage.sums import sum_periods
from service.web.exports.calls import export_calls

PER_PAGE = 50
FAR = timedelta(days=200)

Read = Callable[[], Awaitable[object]]
Reads = Mapping[str, Read]


@dataclass(frozen=True, slots=True)
class Known:
    """A number and its organization that exist. `now` is the database's clock."""

    organization_id: UUID
    number_id: UUID
    now: datetime


async def find_known(pool: Any) -> Known:
    """Any number and its organization."""
    row = await pool.fetchrow("SELECT id, organization_id FROM callgate.phone_numbers LIMIT 1")
    return Known(row["organization_id"], row["id"], datetime.now(UTC))


def read_calls(pool: Any, known: Known) -> Reads:
    """The list of calls: filters, searches, counts above the list, a page far back, the file."""

    def page(
        wanted: CallFilter, search: str | None = None, after: calls.Place | None = None
    ) -> Read:
        async def read() -> object:
            found = await calls.find_page(
                pool, wanted, search=search, whole=True, after=after, limit=PER_PAGE
            )
            return await find_names(pool, [call.id for call in found.calls])

        return read

    async def export() -> object:
        pages = export_calls(pool, CallFilter(), role="admin").pages
        return await anext(pages)

    a_while_ago = known.now - timedelta(days=3)
    owner, far = known.organization_id, (known.now - FAR, UUID(int=0))
    filters = {
        "all": CallFilter(),
        "blocked": CallFilter(blocked=True),
        "allowed": CallFilter(blocked=False),
        "a reason": CallFilter(reason="trial_expired"),
        "a reason that is none": CallFilter(reason="nothing"),
        "a gate": CallFilter(gate="request"),
        "a gate without calls": CallFilter(gate="ring"),
        "an organization": CallFilter(organization_id=owner),
        "an organization, blocked": CallFilter(organization_id=owner, blocked=True),
        "a number": CallFilter(phone_number_id=known.number_id),
        "a period": CallFilter(until=a_while_ago, since=a_while_ago - timedelta(days=1)),
        "under way": CallFilter(live=True),
        "not answered": CallFilter(unanswered=True),
        "a policy": CallFilter(policy="plan"),
        "refused": CallFilter(refused=True),
        "what nothing fits": CallFilter(reason="trial_expired", blocked=False),
    }
    texts: tuple[str, ...] = (
        "call-77",
        "crm-77",
        "pn-crm-77",
        "pn-crm-77-1",
        "+49000000077",
        "nothing",
        "1077",
    )
    texts += ("0001077", "Organization 77", "rganization 1")
    return {
        **{f"calls: {name}": page(wanted) for name, wanted in filters.items()},
        **{f"calls: search {text}": page(CallFilter(), text) for text in texts},
        "calls: 200 days back": page(CallFilter(), after=far),
        "calls: 200 days back, an organization": page(CallFilter(organization_id=owner), after=far),
        **{
            f"calls: count {name}": partial(calls.count_calls, pool, wanted)
            for name, wanted in filters.items()
        },
        "calls: by Vapi's id": lambda: calls.find_by_vapi_id(pool, "call-77"),
        "calls: the file's first page": export,
    }


def read_figures(pool: Any, known: Known) -> Reads:
    """The overview, the live feed, and usage."""
    month = month_of(known.now, ZoneInfo("UTC"))
    owner = known.organization_id

    async def changed() -> object:
        now = await get_now(pool)
        return await feed.list_changes(pool, now - timedelta(seconds=60), 500)

    def overview() -> Overview:
        return Overview(pool, ConditionWatch(StoredConditions(pool, "key")))

    warm = overview()
    return {
        "the feed's look": changed,
        "overview, the first time": lambda: overview().figures(),
        "overview": warm.figures,
        "calls under way": lambda: metrics.count_live(pool),
        "decisions of a day": lambda: metrics.count_decided(
            pool, known.now - timedelta(days=1), known.now
        ),
        "usage of a month": lambda: sum_periods(pool, [(owner, month)]),
        "usage of a month, all organizations": lambda: list_usage(pool, month, limit=PER_PAGE),
        "usage of an odd period": lambda: sum_periods(
            pool, [(owner, Period(known.now - timedelta(days=33.3), known.now))]
        ),
    }


def read_numbers(pool: Any, known: Known) -> Reads:
    """The list of numbers: orders, searches, counts, and the pages at the end of each order."""

    def page(
        wanted: PhoneNumberFilter, sort: Any = "label", after: numbers.Position | None = None
    ) -> Read:
        return lambda: numbers.find_page(pool, wanted, sort=sort, after=after, limit=PER_PAGE)

    last = {
        "id": ("", UUID(int=2**128 - 2**96)),
        "label": ("line 99", UUID(int=0)),
        "-label": ("line 10", UUID(int=0)),
        "number": ("+49000099", UUID(int=0)),
        "-number": ("+49000001", UUID(int=0)),
        "organization": ("organization 99", UUID(int=0)),
        "-organization": ("organization 10", UUID(int=0)),
    }
    texts: tuple[str, ...] = (
        "Line 77 of",
        "line",
        "pn-crm-77-7",
        "+49000000077",
        "0000 77",
        "Organization 77",
    )
    texts += ("nowhere", "77", "x", "of Organization 777")
    searched = {f"search {text}": PhoneNumberFilter(text) for text in texts} | {
        "of an organization": PhoneNumberFilter(organization_id=known.organization_id),
        "in a state": PhoneNumberFilter(sync_state="drifted"),
        "at the request gate": PhoneNumberFilter(gate="request"),
        "paused": PhoneNumberFilter(paused=True),
        "not answered": PhoneNumberFilter(unanswered=True),
    }
    return {
        **{f"numbers: by {sort}": page(PhoneNumberFilter(), sort) for sort in NUMBER_SORTS},
        **{
            f"numbers: by {sort}, far on": page(PhoneNumberFilter(), sort, after)
            for sort, after in last.items()
        },
        **{f"numbers: {name}": page(wanted) for name, wanted in searched.items()},
        **{f"numbers: {name}, by id": page(wanted, "id") for name, wanted in searched.items()},
        "numbers: count all": lambda: numbers.count(pool, PhoneNumberFilter()),
        **{
            f"numbers: count {name}": partial(numbers.count, pool, wanted)
            for name, wanted in searched.items()
        },
    }


async def read_organizations(pool: Any) -> Reads:
    """The list of organizations: orders, searches and counts, with a directory as in a service."""
    directory = AccessDirectory()
    for row in await pool.fetch(ENTRIES):
        directory.put(entry_of(row))
    directory.loaded = True
    listed = OrganizationList(pool, ChainPreview(AccessChain(load_policies().policies), directory))

    def page(wanted: OrganizationQuery) -> Read:
        async def read() -> object:
            directory.record_heartbeat()
            return await listed.page(wanted, after=None, limit=PER_PAGE)

        return read

    def count(wanted: OrganizationQuery) -> Read:
        async def read() -> object:
            directory.record_heartbeat()
            return await listed.count(wanted)

        return read

    texts: tuple[str, ...] = (
        "Organization 77",
        "rganization",
        "crm-77",
        "pn-crm-77-7",
        "+49000000077",
        "0000077",
    )
    texts += ("nowhere", "77", "x")
    searched = {f"search {text}": OrganizationQuery(Filters(text)) for text in texts} | {
        "blocked": OrganizationQuery(allowed=False),
        "with numbers": OrganizationQuery(Filters(numbers=True)),
    }
    return {
        **{
            f"organizations: by {sort}": page(OrganizationQuery(sort=sort))
            for sort in ORGANIZATION_SORTS
        },
        **{f"organizations: {name}": page(wanted) for name, wanted in searched.items()},
        "organizations: count all": count(OrganizationQuery()),
        **{f"organizations: count {name}": count(wanted) for name, wanted in searched.items()},
    }
