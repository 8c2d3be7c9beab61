"""The list of phone numbers: searched, filtered, sorted and counted, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args
from uuid import UUID

from policies.host.ids import canonical_id
from policies.host.phone_numbers import search_digits
from service.domain.phone_numbers import PhoneNumber, SyncState
from service.inputs.names import parse_query
from service.store.patterns import pattern_of
from service.store.phone_numbers.concerned import NumberCondition, is_concerned
from service.store.phone_numbers.matching import (
    IS_MATCHED,
    MATCHED,
    MATCHES,
    MOST_SORTED,
    NO_QUERY,
    Reach,
    reach_of,
)
from service.store.phone_numbers.phone_numbers import COLUMNS, phone_number_of
from service.store.phone_numbers.unanswered import IS_UNANSWERED
from service.store.pool import Pool
from service.store.reconcile.states import count_by_state

NumberSort = Literal["id", "label", "-label", "number", "-number", "organization", "-organization"]
"""A minus reverses the order. `label` sorts by what the list shows first: label, number, id at Vapi."""

SORTS: tuple[NumberSort, ...] = get_args(NumberSort)

SearchValues = tuple[str | None, str | None, str | None, str | None]

Position = tuple[str, UUID]
"""The sort value and the id of the last number of a page."""

# Compared byte by byte: the order of a page must be the order of its cursor, whatever the locale. Each
# is that of an index.
KEYS: Mapping[str, str] = {
    "label": 'lower(coalesce(n.label, n.number, n.vapi_phone_number_id)) COLLATE "C"',
    "number": 'coalesce(n.number, n.vapi_phone_number_id) COLLATE "C"',
    "organization": 'lower(o.name) COLLATE "C"',
}

TABLES = """
FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
JOIN callgate.organizations o ON o.id = n.organization_id
"""

FILTERS = f"""
WHERE n.released_at IS NULL
    AND ($5::uuid IS NULL OR n.organization_id = $5) AND ($6::text IS NULL OR s.state = $6)
    AND ($7::text IS NULL OR n.gate = $7)
    AND (NOT $8::boolean OR s.paused_at IS NOT NULL
        AND (s.paused_until IS NULL OR s.paused_until > now()))
    AND (NOT $9::boolean OR {IS_UNANSWERED})
    AND ($10::text IS NULL OR {is_concerned("$10")})
"""

QUERIES: Mapping[Reach, str] = {"all": NO_QUERY, "few": IS_MATCHED, "many": MATCHES}
"""What a query adds to the filters, by how much it finds."""

Lead = Literal["organization", "state", "paused", "none"]

LEADS: Mapping[Lead, str] = {
    "organization": "n.organization_id = $5",
    "state": "s.state = $6",
    "paused": "s.paused_at IS NOT NULL",
    "none": "true",
}
"""The filter that leaves the fewest numbers, repeated without an OR: so it is read along an index."""


def matching(reach: Reach, lead: Lead) -> str:
    """The numbers that pass the filters."""
    return f"{TABLES} {FILTERS} AND {QUERIES[reach]} AND {LEADS[lead]}"


@cache
def count_statement(reach: Reach, lead: Lead) -> str:
    """Counts by state, or a row without one where a query finds many; of those one figure up to a
    limit."""
    found = matching(reach, lead)
    if reach == "many":
        return f"SELECT count(*) FROM (SELECT 1 {found} LIMIT {MOST_SORTED + 1}) AS found"  # noqa: S608
    counted = f"SELECT s.state, count(*) AS numbers {found} GROUP BY s.state"
    if reach == "all":
        return counted
    return f"WITH {MATCHED} {counted} UNION ALL SELECT NULL, 0 FROM matches WHERE many"  # noqa: S608


@cache
def page_statement(sort: NumberSort, reach: Reach, lead: Lead, *, later: bool) -> str:
    """One page in this order; `later`: after $11 and $12. The columns are read for its numbers only.

    Where a query may find few, there is always a row: without a number, it says whether it finds many.
    """
    key, order, ways = "''", "n.id", "listed.id"
    after, first = (
        "n.id > $11 AND $12::text IS NOT NULL",
        "$11::uuid IS NULL AND $12::text IS NOT NULL",
    )
    if sort != "id":
        way, beyond = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
        key = KEYS[sort.lstrip("-")]
        order, ways = f"{key} {way}, n.id {way}", f'page.key COLLATE "C" {way}, listed.id {way}'
        # The first condition is where an index over two tables can begin.
        after = f"{key} {beyond}= $12::text AND ({key}, n.id) {beyond} ($12::text, $11)"
    few = reach == "few"
    matched, of_few = (
        (f"{MATCHED},", "matches LEFT JOIN page ON true LEFT") if few else ("", "page")
    )
    return f"""
    WITH {matched} page AS (SELECT n.id, {key} AS key {matching(reach, lead)}
            AND {after if later else first}
        ORDER BY {order} LIMIT $13)
    SELECT listed.*, page.key, {"matches.many" if few else "false AS many"}
    FROM {of_few} JOIN ({COLUMNS}) AS listed ON listed.id = page.id
    ORDER BY {ways}
    """  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class PhoneNumberFilter:
    """Filters of the list; None and "" match all.

    `query` is a part of the number as people write it, the label, Vapi's id or the organization's name.
    `unanswered`: only numbers whose granted calls nothing answers. `condition`: only those that the
    condition counts.
    """

    query: str = ""
    organization_id: UUID | None = None
    sync_state: str | None = None
    gate: str | None = None
    paused: bool = False
    unanswered: bool = False
    condition: NumberCondition | None = None

    @property
    def lead(self) -> Lead:
        """The filter that leaves the fewest numbers."""
        if self.organization_id is not None:
            return "organization"
        if self.sync_state is not None:
            return "state"
        return "paused" if self.paused else "none"

    @property
    def search(self) -> SearchValues:
        """The parameters of the query."""
        query = canonical_id(parse_query(self.query))
        if not query:
            return None, None, None, None
        digits = search_digits(query)
        return pattern_of(query), query, f"%{digits}%" if digits else None, digits

    @property
    def values(self) -> tuple[object, ...]:
        """The first parameters of the statements."""
        return (
            *self.search,
            self.organization_id,
            self.sync_state,
            self.gate,
            self.paused,
            self.unanswered,
            self.condition,
        )


@dataclass(frozen=True, slots=True)
class NumberPage:
    """Numbers in order; `next` is where the next page starts, None at the end."""

    numbers: tuple[PhoneNumber, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class NumberCount:
    """How many numbers there are; `by_state` is empty where a query finds many. One more than
    `MOST_SORTED` stands for more."""

    total: int
    by_state: Mapping[SyncState, int]


async def find_page(
    pool: Pool,
    wanted: PhoneNumberFilter,
    *,
    sort: NumberSort = "id",
    after: Position | None = None,
    limit: int,
) -> NumberPage:
    """The matching numbers; `after` is the last one of the previous page."""
    key, last = after or ("", None)
    reach, later = reach_of(wanted.search[1]), last is not None

    async def fetch(reach: Reach) -> list[Any]:
        statement = page_statement(sort, reach, wanted.lead, later=later)
        return await pool.fetch(statement, *wanted.values, last, key, limit + 1)

    rows = await fetch(reach)
    if rows and rows[0]["many"]:
        rows = await fetch("many")
    rows = [row for row in rows if row["id"] is not None]
    shown = rows[:limit]
    more = len(rows) > limit
    return NumberPage(
        tuple(phone_number_of(row) for row in shown),
        (shown[-1]["key"], shown[-1]["id"]) if more else None,
    )


async def count(pool: Pool, wanted: PhoneNumberFilter) -> NumberCount:
    """How many numbers match, by the state of their webhook."""
    if wanted == PhoneNumberFilter():
        return total_of(await count_by_state(pool))
    reach, values = reach_of(wanted.search[1]), wanted.values
    if reach != "many":
        rows = await pool.fetch(count_statement(reach, wanted.lead), *values)
        by_state = {row["state"]: row["numbers"] for row in rows}
        if None not in by_state:
            return total_of(by_state)
    return NumberCount(await pool.fetchval(count_statement("many", wanted.lead), *values), {})


def total_of(by_state: Mapping[str, int]) -> NumberCount:
    """The counts by state with their sum."""
    return NumberCount(
        sum(by_state.values()), {SyncState(state): number for state, number in by_state.items()}
    )
