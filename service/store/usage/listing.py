"""Usage of all organizations in a period, largest first.

Organizations that were deleted are listed while they have usage, with their last name.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.domain.usage.periods import Period, split
from service.domain.usage.sums import OrganizationUsage, UsageSums
from service.store.pool import Pool
from service.store.usage.sums import count_live, sums_of

Place = tuple[Decimal, int, UUID]
"""The seconds, the calls and the id of the last organization of a page."""

# Pieces of each kind as two arrays, since and until. Single calls are read of the organizations that
# have some in that hour.
LIST = """
WITH parts AS (
    SELECT u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($1::timestamptz[], $2::timestamptz[]) AS p (since, until)
    JOIN callgate.usage_days u ON u.day >= p.since AND u.day < p.until
    UNION ALL
    SELECT u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($3::timestamptz[], $4::timestamptz[]) AS p (since, until)
    JOIN callgate.usage_hours u ON u.hour >= p.since AND u.hour < p.until
    UNION ALL
    SELECT u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($5::timestamptz[], $6::timestamptz[]) AS p (since, until)
    JOIN callgate.usage_deltas u ON u.hour >= p.since AND u.hour < p.until
    UNION ALL
    SELECT w.organization_id, s.calls, s.blocked_calls, s.seconds, s.cost
    FROM unnest($7::timestamptz[], $8::timestamptz[]) AS p (since, until)
    CROSS JOIN LATERAL (
        SELECT organization_id FROM callgate.usage_hours
        WHERE hour >= date_trunc('hour', p.since, 'UTC') AND hour < p.until
        UNION SELECT organization_id FROM callgate.usage_deltas
        WHERE hour >= date_trunc('hour', p.since, 'UTC') AND hour < p.until) AS w
    CROSS JOIN LATERAL (
        SELECT sum(calls) AS calls, sum(blocked_calls) AS blocked_calls, sum(seconds) AS seconds,
            sum(cost) AS cost
        FROM callgate.call_usage u WHERE u.organization_id = w.organization_id
            AND u.began_at >= p.since AND u.began_at < p.until) AS s
    WHERE s.calls IS NOT NULL),
summed AS (
    SELECT p.organization_id, sum(p.calls)::bigint AS calls,
        sum(p.blocked_calls)::bigint AS blocked_calls, sum(p.seconds) AS seconds, sum(p.cost) AS cost
    FROM parts p GROUP BY p.organization_id),
listed AS (
    SELECT coalesce(o.id, s.organization_id) AS organization_id, o.name, o.external_id,
        coalesce(s.calls, 0) AS calls,
        coalesce(s.blocked_calls, 0) AS blocked_calls, coalesce(s.seconds, 0) AS seconds,
        coalesce(s.cost, 0) AS cost
    FROM callgate.organizations o FULL JOIN summed s ON s.organization_id = o.id)
SELECT l.organization_id, l.name IS NOT NULL AS exists, l.external_id, l.calls,
    l.blocked_calls, l.seconds, l.cost,
    coalesce(l.name, (SELECT a.before ->> 'name' FROM callgate.audit a
        WHERE a.object_type = 'organization' AND a.object_id = l.organization_id::text
            AND a.before ? 'name' ORDER BY a.id DESC LIMIT 1)) AS name
FROM listed l
WHERE (l.name IS NOT NULL OR l.calls <> 0 OR l.seconds <> 0)
    AND ($9::numeric IS NULL
        OR (l.seconds, l.calls, l.organization_id) < ($9::numeric, $10::bigint, $11::uuid))
ORDER BY l.seconds DESC, l.calls DESC, l.organization_id DESC LIMIT $12
"""

DAYS = """
SELECT day, sum(calls)::bigint AS calls, sum(blocked_calls)::bigint AS blocked_calls,
    sum(seconds) AS seconds, sum(cost) AS cost
FROM (
    SELECT day, calls, blocked_calls, seconds, cost FROM callgate.usage_days
    WHERE day >= $1 AND day < $2
    UNION ALL
    SELECT date_trunc('day', hour, 'UTC'), calls, blocked_calls, seconds, cost
    FROM callgate.usage_deltas WHERE hour >= $1 AND hour < $2) AS parts
GROUP BY day
"""

LOCAL = "SELECT id, time_zone FROM callgate.organizations WHERE time_zone <> 'UTC'"


async def list_local(pool: Pool) -> dict[UUID, str]:
    """The time zones of organizations that have another one than UTC."""
    return {row["id"]: row["time_zone"] for row in await pool.fetch(LOCAL)}


async def list_usage(
    pool: Pool, period: Period, *, after: Place | None = None, limit: int | None = None
) -> list[OrganizationUsage]:
    """The usage of all organizations in a period."""
    pieces = split(period)
    whole = () if pieces.whole is None else (pieces.whole,)
    arrays: list[list[datetime]] = []
    for kind in (pieces.days, pieces.hours, whole, pieces.calls):
        arrays += [one.since for one in kind], [one.until for one in kind]
    async with pool.acquire() as connection:
        rows = await connection.fetch(LIST, *arrays, *(after or (None, None, None)), limit)
        live = await count_live(connection)
    return [
        OrganizationUsage(
            row["organization_id"],
            row["name"],
            row["external_id"],
            period,
            sums_of(row),
            live.get(row["organization_id"], 0),
            row["exists"],
        )
        for row in rows
    ]


async def list_days(pool: Pool, period: Period) -> dict[datetime, UsageSums]:
    """The usage of all organizations together, by day in UTC; days without calls are missing."""
    rows = await pool.fetch(DAYS, *period)
    return {row["day"]: sums_of(row) for row in rows}
