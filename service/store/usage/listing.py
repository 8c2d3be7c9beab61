"""Usage of all organizations in a period, largest first.

Each time zone has its own period, so that a month is the month of the organization. Organizations that
were deleted are listed while they have usage, with their last name, as of UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from service.domain.usage.periods import Period, split
from service.domain.usage.sums import OrganizationUsage, UsageSums
from service.store.pool import Pool
from service.store.usage.sums import count_live, sums_of

Place = tuple[Decimal, int, UUID]
"""The seconds, the calls and the id of the last organization of a page."""

# Pieces of each kind as three arrays: the time zone, since and until. NULL as zone: every organization.
# Single calls are read of organizations that have some in that hour.
LIST = """
WITH parts AS (
    SELECT p.zone, u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS p (zone, since, until)
    JOIN callgate.usage_days u ON u.day >= p.since AND u.day < p.until
    UNION ALL
    SELECT p.zone, u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($4::text[], $5::timestamptz[], $6::timestamptz[]) AS p (zone, since, until)
    JOIN callgate.usage_hours u ON u.hour >= p.since AND u.hour < p.until
    UNION ALL
    SELECT p.zone, u.organization_id, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($7::text[], $8::timestamptz[], $9::timestamptz[]) AS p (zone, since, until)
    JOIN callgate.usage_deltas u ON u.hour >= p.since AND u.hour < p.until
    UNION ALL
    SELECT p.zone, w.organization_id, s.calls, s.blocked_calls, s.seconds, s.cost
    FROM unnest($10::text[], $11::timestamptz[], $12::timestamptz[]) AS p (zone, since, until)
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
    FROM parts p LEFT JOIN callgate.organizations o ON o.id = p.organization_id
    WHERE p.zone IS NULL OR p.zone = coalesce(o.time_zone, 'UTC')
    GROUP BY p.organization_id),
listed AS (
    SELECT coalesce(o.id, s.organization_id) AS organization_id, o.name, o.external_id,
        coalesce(o.time_zone, 'UTC') AS time_zone, coalesce(s.calls, 0) AS calls,
        coalesce(s.blocked_calls, 0) AS blocked_calls, coalesce(s.seconds, 0) AS seconds,
        coalesce(s.cost, 0) AS cost
    FROM callgate.organizations o FULL JOIN summed s ON s.organization_id = o.id)
SELECT l.organization_id, l.name IS NOT NULL AS exists, l.external_id, l.time_zone, l.calls,
    l.blocked_calls, l.seconds, l.cost,
    coalesce(l.name, (SELECT a.before ->> 'name' FROM callgate.audit a
        WHERE a.object_type = 'organization' AND a.object_id = l.organization_id::text
            AND a.before ? 'name' ORDER BY a.id DESC LIMIT 1)) AS name
FROM listed l
WHERE (l.name IS NOT NULL OR l.calls <> 0 OR l.seconds <> 0)
    AND ($13::numeric IS NULL
        OR (l.seconds, l.calls, l.organization_id) < ($13::numeric, $14::bigint, $15::uuid))
ORDER BY l.seconds DESC, l.calls DESC, l.organization_id DESC LIMIT $16
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

ZONES = "SELECT DISTINCT coalesce(time_zone, 'UTC') FROM callgate.organizations"

EVERY_ZONE = None
Periods = Mapping[str | None, Period]
"""The period of each time zone, or of `EVERY_ZONE`."""


async def list_zones(pool: Pool) -> set[str]:
    """The time zones of organizations; UTC is always among them."""
    return {"UTC", *(row[0] for row in await pool.fetch(ZONES))}


async def list_usage(
    pool: Pool,
    periods: Periods,
    *,
    after: Place | None = None,
    limit: int | None = None,
) -> list[OrganizationUsage]:
    """The usage of all organizations, each in the period of its time zone, or of `EVERY_ZONE`.

    `periods` has one of UTC unless it has one of `EVERY_ZONE`.
    """
    default = periods.get(EVERY_ZONE) or periods["UTC"]
    kinds: list[list[Any]] = [[] for _ in range(12)]
    for zone, period in periods.items():
        pieces = split(period)
        whole = () if pieces.whole is None else (pieces.whole,)
        for kind, parts in enumerate((pieces.days, pieces.hours, whole, pieces.calls)):
            for piece in parts:
                for array, value in zip(
                    kinds[3 * kind : 3 * kind + 3], (zone, *piece), strict=True
                ):
                    array.append(value)
    async with pool.acquire() as connection:
        rows = await connection.fetch(LIST, *kinds, *(after or (None, None, None)), limit)
        live = await count_live(connection)
    return [
        OrganizationUsage(
            row["organization_id"],
            row["name"],
            row["external_id"],
            periods.get(row["time_zone"]) or default,
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
