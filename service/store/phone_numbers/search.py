"""The list of phone numbers: searched, filtered, sorted and counted, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from service.domain.phone_numbers import PhoneNumber, SyncState
from service.inputs.names import parse_query
from service.inputs.phone_numbers import search_digits
from service.store.patterns import pattern_of
from service.store.phone_numbers.concerned import NumberCondition, is_concerned
from service.store.phone_numbers.phone_numbers import COLUMNS, phone_number_of
from service.store.phone_numbers.unanswered import IS_UNANSWERED
from service.store.pool import Pool

NumberSort = Literal["id", "label", "-label", "number", "-number", "organization", "-organization"]
"""A minus reverses the order. `label` sorts by what the list shows first: label, number, id at Vapi."""

SORTS: tuple[NumberSort, ...] = get_args(NumberSort)

Position = tuple[str, UUID]
"""The sort value and the id of the last number of a page."""

# Compared byte by byte: the order of a page must be the order of its cursor, whatever the locale.
KEYS: Mapping[str, str] = {
    "id": "''",
    "label": "lower(coalesce(n.label, n.number, n.vapi_phone_number_id))",
    "number": "coalesce(n.number, n.vapi_phone_number_id)",
    "organization": "coalesce(lower(o.name), '')",
}

# Scanned as a whole: there are thousands of numbers, not millions.
MATCHING = f"""
FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
LEFT JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL
    AND ($1::uuid IS NULL OR n.organization_id = $1) AND ($2::text IS NULL OR s.state = $2)
    AND ($3::text IS NULL OR n.gate = $3)
    AND (NOT $4::boolean OR s.paused_at IS NOT NULL
        AND (s.paused_until IS NULL OR s.paused_until > now()))
    AND ($5::text IS NULL OR n.number ILIKE $5 OR n.label ILIKE $5 OR n.vapi_phone_number_id ILIKE $5
        OR n.number LIKE $6 OR o.name ILIKE $5)
    AND (NOT $7::boolean OR {IS_UNANSWERED})
    AND ($8::text IS NULL OR {is_concerned("$8")})
"""

COUNT = f"SELECT s.state, count(*) AS numbers {MATCHING} GROUP BY s.state"


def statement(sort: NumberSort) -> str:
    """One page in this order. The columns are read for the numbers of the page only."""
    key = f'({KEYS[sort.lstrip("-")]}) COLLATE "C"'
    order, beyond = ("DESC", "<") if sort.startswith("-") else ("ASC", ">")
    return f"""
    WITH page AS (SELECT n.id, {key} AS key {MATCHING}
            AND ($9::uuid IS NULL OR ({key}, n.id) {beyond} ($10::text, $9))
        ORDER BY {key} {order}, n.id {order} LIMIT $11)
    SELECT listed.*, page.key FROM page JOIN ({COLUMNS}) AS listed ON listed.id = page.id
    ORDER BY page.key COLLATE "C" {order}, listed.id {order}
    """  # noqa: S608 - constants


STATEMENTS: Mapping[NumberSort, str] = {sort: statement(sort) for sort in SORTS}


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
    def values(self) -> tuple[object, ...]:
        """The first parameters of the statements."""
        query = parse_query(self.query)
        digits = search_digits(query)
        return (
            self.organization_id,
            self.sync_state,
            self.gate,
            self.paused,
            pattern_of(query) if query else None,
            f"%{digits}%" if digits else None,
            self.unanswered,
            self.condition,
        )


@dataclass(frozen=True, slots=True)
class NumberPage:
    """Numbers in order; `next` is where the next page starts, None at the end."""

    numbers: tuple[PhoneNumber, ...]
    next: Position | None


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
    rows = await pool.fetch(STATEMENTS[sort], *wanted.values, last, key, limit + 1)
    shown = rows[:limit]
    more = len(rows) > limit
    return NumberPage(
        tuple(phone_number_of(row) for row in shown),
        (shown[-1]["key"], shown[-1]["id"]) if more else None,
    )


async def count(pool: Pool, wanted: PhoneNumberFilter) -> dict[SyncState, int]:
    """How many numbers match, by the state of their webhook."""
    rows = await pool.fetch(COUNT, *wanted.values)
    return {SyncState(row["state"]): row["numbers"] for row in rows}
