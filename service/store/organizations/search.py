"""The list of organizations: searched, filtered and sorted, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from policies.entitlements import PlanStatus
from policies.host.ids import find_uuid, parse_id_query
from policies.host.phone_numbers import search_digits
from service.domain.organizations import Organization
from service.domain.relay.messages import RelayState
from service.inputs.names import parse_query
from service.store.organizations.organizations import COLUMNS, organization_of
from service.store.patterns import pattern_of
from service.store.pool import Pool

Sort = Literal[
    "name",
    "-name",
    "created_at",
    "-created_at",
    "trial_ends_at",
    "-trial_ends_at",
    "plan_ends_at",
    "-plan_ends_at",
]
"""A minus reverses the order. Organizations without such an end come last either way."""

SORTS: tuple[Sort, ...] = get_args(Sort)

TrialFilter = Literal["running", "ending", "ended", "none"]
PlanFilter = PlanStatus | Literal["none"]
Value = str | datetime | None
Position = tuple[Value, UUID]
"""The sort value and the id of the last organization of a page."""

MOST_OWNERS = 200

# Matching ids are joined as a set: an array would be scanned for every row.
FILTERS = """
WHERE ($1::text IS NULL OR o.name ILIKE $1 OR o.external_id ILIKE $1
        OR o.id IN (SELECT unnest($2::uuid[])))
    AND ($3::uuid[] IS NULL OR o.id IN (SELECT unnest($3::uuid[])))
    AND CASE $4::text
        WHEN 'running' THEN t.starts_at <= now() AND now() < t.ends_at
        WHEN 'ending' THEN now() < t.ends_at AND t.ends_at < now() + interval '7 days'
        WHEN 'ended' THEN t.ends_at <= now()
        WHEN 'none' THEN t.ends_at IS NULL
        ELSE true END
    AND ($5::boolean IS NULL OR $5 = (v.organization_id IS NOT NULL
        AND (v.expires_at IS NULL OR v.expires_at > now())))
    AND ($6::boolean IS NULL OR $6 = EXISTS (SELECT FROM callgate.phone_numbers n
        WHERE n.organization_id = o.id AND n.released_at IS NULL))
    AND ($7::text IS NULL OR $7 = coalesce(p.status, 'none'))
    AND ($8::text IS NULL OR $8 = CASE WHEN o.forward_url IS NULL THEN 'off'
        WHEN EXISTS (SELECT FROM callgate.relay_states s
            WHERE s.organization_id = o.id AND s.parked_at IS NOT NULL) THEN 'parked'
        ELSE 'delivering' END)
"""

# By sort, the first page and the pages after a position ($10, $11); each reads from its place in an
# index. PostgreSQL uses the index on the ends only with IS NOT NULL: a comparison does not imply it.
STATEMENTS: Mapping[Sort, tuple[str, str]] = {
    "name": (
        COLUMNS + FILTERS + "ORDER BY lower(o.name), o.id LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND (lower(o.name), o.id) > (lower($10::text), $11::uuid)"
        + "ORDER BY lower(o.name), o.id LIMIT $9",
    ),
    "-name": (
        COLUMNS + FILTERS + "ORDER BY lower(o.name) DESC, o.id DESC LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND (lower(o.name), o.id) < (lower($10::text), $11::uuid)"
        + "ORDER BY lower(o.name) DESC, o.id DESC LIMIT $9",
    ),
    "created_at": (
        COLUMNS + FILTERS + "ORDER BY o.created_at, o.id LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND (o.created_at, o.id) > ($10::timestamptz, $11::uuid)"
        + "ORDER BY o.created_at, o.id LIMIT $9",
    ),
    "-created_at": (
        COLUMNS + FILTERS + "ORDER BY o.created_at DESC, o.id DESC LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND (o.created_at, o.id) < ($10::timestamptz, $11::uuid)"
        + "ORDER BY o.created_at DESC, o.id DESC LIMIT $9",
    ),
    "trial_ends_at": (
        COLUMNS
        + FILTERS
        + "AND t.ends_at IS NOT NULL ORDER BY t.ends_at, t.organization_id LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND t.ends_at IS NOT NULL AND (t.ends_at, t.organization_id) > ($10::timestamptz, $11::uuid)"
        + "ORDER BY t.ends_at, t.organization_id LIMIT $9",
    ),
    "-trial_ends_at": (
        COLUMNS
        + FILTERS
        + "AND t.ends_at IS NOT NULL ORDER BY t.ends_at DESC, t.organization_id DESC LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND t.ends_at IS NOT NULL AND (t.ends_at, t.organization_id) < ($10::timestamptz, $11::uuid)"
        + "ORDER BY t.ends_at DESC, t.organization_id DESC LIMIT $9",
    ),
    "plan_ends_at": (
        COLUMNS
        + FILTERS
        + "AND p.current_period_end IS NOT NULL "
        + "ORDER BY p.current_period_end, p.organization_id LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND p.current_period_end IS NOT NULL "
        + "AND (p.current_period_end, p.organization_id) > ($10::timestamptz, $11::uuid)"
        + "ORDER BY p.current_period_end, p.organization_id LIMIT $9",
    ),
    "-plan_ends_at": (
        COLUMNS
        + FILTERS
        + "AND p.current_period_end IS NOT NULL "
        + "ORDER BY p.current_period_end DESC, p.organization_id DESC LIMIT $9",
        COLUMNS
        + FILTERS
        + "AND p.current_period_end IS NOT NULL "
        + "AND (p.current_period_end, p.organization_id) < ($10::timestamptz, $11::uuid)"
        + "ORDER BY p.current_period_end DESC, p.organization_id DESC LIMIT $9",
    ),
}

MOST_COUNTED = 10_000
"""How far matching organizations are counted."""

TABLES = COLUMNS[COLUMNS.index("FROM callgate.organizations o") :]
COUNT = f"SELECT count(*) FROM (SELECT 1 {TABLES} {FILTERS} LIMIT $9) AS found"  # noqa: S608

WITHOUT_TRIAL = COLUMNS + FILTERS + "AND t.ends_at IS NULL AND o.id > $10 ORDER BY o.id LIMIT $9"

WITHOUT_PLAN_END = (
    COLUMNS + FILTERS + "AND p.current_period_end IS NULL AND o.id > $10 ORDER BY o.id LIMIT $9"
)

REST: Mapping[Sort, str] = {
    "trial_ends_at": WITHOUT_TRIAL,
    "-trial_ends_at": WITHOUT_TRIAL,
    "plan_ends_at": WITHOUT_PLAN_END,
    "-plan_ends_at": WITHOUT_PLAN_END,
}

FIND_OWNERS = """
SELECT DISTINCT organization_id FROM (
    SELECT organization_id FROM callgate.phone_numbers
    WHERE released_at IS NULL AND vapi_phone_number_id = $1
    UNION ALL (SELECT organization_id FROM callgate.phone_numbers
        WHERE callgate.letter_pairs(label, number, vapi_phone_number_id)
                @> (SELECT callgate.letter_pairs($2::text))
            AND released_at IS NULL AND number LIKE $3 LIMIT 10000)) AS found
LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of the list; None matches all. `ids` restricts the list to these.

    `query` is any part of the name or the external id, a whole id, or some digits of a number.
    """

    query: str | None = None
    ids: Sequence[UUID] | None = None
    trial: TrialFilter | None = None
    override: bool | None = None
    numbers: bool | None = None
    plan_status: PlanFilter | None = None
    relay: RelayState | None = None


def value_of(sort: Sort, organization: Organization) -> Value:
    """The sort value of an organization."""
    match sort.lstrip("-"):
        case "created_at":
            return organization.created_at
        case "trial_ends_at":
            return organization.trial.ends_at if organization.trial else None
        case "plan_ends_at":
            return organization.plan.current_period_end if organization.plan else None
    return organization.name


async def find_owners(pool: Pool, query: str) -> list[UUID]:
    """Organizations that `query` names by their id or by one of their numbers."""
    named = find_uuid(query)
    digits = search_digits(query)
    pattern = f"%{digits}%" if digits else None
    rows = await pool.fetch(FIND_OWNERS, parse_id_query(query), digits, pattern, MOST_OWNERS)
    return [*([named] if named else []), *(row["organization_id"] for row in rows)]


def parameters(filters: Filters, owners: list[UUID]) -> tuple[object, ...]:
    """The first parameters of the statements. `owners` are those that the query names by a number."""
    query = parse_query(filters.query) if filters.query else None
    return (
        pattern_of(query) if query else None,
        owners,
        None if filters.ids is None else list(filters.ids),
        filters.trial,
        filters.override,
        filters.numbers,
        filters.plan_status,
        filters.relay,
    )


async def count(pool: Pool, filters: Filters) -> int:
    """How many organizations match; one more than `MOST_COUNTED` stands for more."""
    owners = await find_owners(pool, filters.query) if filters.query else []
    found: int = await pool.fetchval(COUNT, *parameters(filters, owners), MOST_COUNTED + 1)
    return found


async def list_page(
    pool: Pool, *, filters: Filters, sort: Sort = "name", after: Position | None, limit: int
) -> list[Organization]:
    """Organizations in order; `after` is the position of the last one of the previous page.

    The database lowercases names: its rules and Python's differ.
    """
    owners = await find_owners(pool, filters.query) if filters.query else []
    given = parameters(filters, owners)
    first, later = STATEMENTS[sort]
    rows = []
    if after is None:
        rows = await pool.fetch(first, *given, limit)
    elif after[0] is not None:
        rows = await pool.fetch(later, *given, limit, *after)
    if sort in REST and len(rows) < limit:
        begun = after is not None and after[0] is None
        start = after[1] if after is not None and begun else UUID(int=0)
        rows += await pool.fetch(REST[sort], *given, limit - len(rows), start)
    return [organization_of(row) for row in rows]
