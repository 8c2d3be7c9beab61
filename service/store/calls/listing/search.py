"""Reads `callgate.calls` for the API and the panel: pages of lists, single calls, counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from service.domain.calls import Call
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.rows import COLUMNS, call_of
from service.store.calls.listing.search_terms import resolve_search
from service.store.calls.listing.statements import (
    COUNT_LOOKED,
    FARTHEST,
    LAST,
    LOOKED,
    OTHERS,
    choose_statement,
    statement_of,
    unordered,
)
from service.store.pool import Pool, snapshot

MOST_LOOKED_AT = 10_000
"""The most calls that a page scans along its index; the page says how far it came."""
LEAST_LOOKED_AT = 500

FIND = COLUMNS + "WHERE id = $1"

FIND_BY_VAPI_ID = COLUMNS + "WHERE vapi_call_id = $1"

Place = tuple[datetime, UUID]
"""Where a page ends: the instant and the id of a call."""


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first; `next` is where the next page starts, None at the end.

    A page may hold fewer calls than the limit, even none, and still not be the last.
    """

    calls: Sequence[Call]
    next: Place | None


async def find(pool: Pool, call_id: UUID) -> Call | None:
    row = await pool.fetchrow(FIND, call_id)
    return None if row is None else call_of(row)


async def find_by_vapi_id(pool: Pool, vapi_call_id: str) -> Call | None:
    row = await pool.fetchrow(FIND_BY_VAPI_ID, vapi_call_id)
    return None if row is None else call_of(row)


async def find_page(
    pool: Pool,
    wanted: CallFilter,
    *,
    search: str | None = None,
    whole: bool = False,
    after: Place | None = None,
    limit: int,
    most_looked_at: int = MOST_LOOKED_AT,
) -> CallPage:
    """Calls, newest first. `search` and `whole`: see `resolve_search`."""
    statement, lead, _ = choose_statement(wanted)
    if search is not None:
        named = await resolve_search(pool, search, whole=whole)
        if named is None:
            return CallPage((), None)
        if named.kind == "call":
            return await page_of_one(pool, wanted, named.ids[0], after)
        statement, lead = statement_of(named, search)
        if named.kind == "named":
            # Each of them is scanned as far.
            most_looked_at = max(
                most_looked_at // len(named.ids), min(most_looked_at, LEAST_LOOKED_AT)
            )
    others = wanted.others
    if all(one is None for one in others):
        most_looked_at = min(most_looked_at, limit + 1)  # every call that is looked at is shown
    place = (*(after or (None, None)), wanted.since, wanted.until, most_looked_at, lead)
    looked = (LOOKED + statement + OTHERS, *place, *others, limit + 1)
    if all(one is None for one in others):
        return page_of(await pool.fetch(*looked), limit)
    # Both see the same calls: if some began or ended in between, the next page would repeat calls, or
    # leave some out.
    async with snapshot(pool) as connection:
        rows = await connection.fetch(*looked)
        if len(rows) > limit:
            return page_of(rows, limit)
        # Fewer than the limit: there are no more, or the scan has reached its bound.
        return page_of(rows, limit, await connection.fetchrow(FARTHEST + statement + LAST, *place))


def page_of(rows: Sequence[Record], limit: int, farthest: Record | None = None) -> CallPage:
    """The calls of rows, of which one beyond the limit says that there are more."""
    last = rows[limit - 1] if len(rows) > limit else farthest
    place = None if last is None else (last["created_at"], last["id"])
    return CallPage([call_of(row) for row in rows[:limit]], place)


async def count_calls(pool: Pool, wanted: CallFilter) -> int | None:
    """How many calls match; None if more calls than `MOST_LOOKED_AT` would have to be looked at."""
    chosen = choose_statement(wanted)
    statement = unordered(chosen.statement)
    place = (None, None, wanted.since, wanted.until, MOST_LOOKED_AT + 1, chosen.lead)
    looked: int = await pool.fetchval(COUNT_LOOKED + statement + ") looked", *place)
    if looked > MOST_LOOKED_AT:
        return None
    if replace(chosen.covers, since=wanted.since, until=wanted.until) == wanted:
        return looked
    counted = COUNT_LOOKED + LOOKED + statement + OTHERS + ") found"
    found: int = await pool.fetchval(counted, *place, *wanted.others, MOST_LOOKED_AT)
    return found


async def list_page(
    pool: Pool,
    *,
    vapi_call_id: str | None = None,
    organization_id: UUID | None = None,
    blocked: bool | None = None,
    after: Place | None = None,
    limit: int,
) -> list[tuple[Call, datetime | None]]:
    """Calls of an organization, newest first, each with the instant that it began."""
    if vapi_call_id is not None:
        found = await find_by_vapi_id(pool, vapi_call_id)
        return [] if found is None else [(found, found.started_at)]
    wanted = CallFilter(organization_id=organization_id, blocked=blocked)
    page = await find_page(pool, wanted, after=after, limit=limit)
    return [(call, call.started_at) for call in page.calls]


async def page_of_one(
    pool: Pool, wanted: CallFilter, call_id: UUID, after: Place | None
) -> CallPage:
    """The one call with this id, if it passes the filters."""
    call = None if after is not None else await find(pool, call_id)
    return CallPage([call] if call is not None and wanted.matches(call) else (), None)
