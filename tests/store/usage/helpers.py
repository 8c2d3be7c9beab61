"""Usage as PostgreSQL sums it up in its three places, and as a replay of the calls gives it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from service.domain.usage.periods import HOUR, floor
from service.domain.usage.sums import NOTHING, UsageSums
from service.store.pool import Pool
from service.store.usage.sums import sums_of

Usage = dict[tuple[UUID, datetime], UsageSums]

KEPT = """
SELECT organization_id, at, sum(calls)::bigint AS calls, sum(blocked_calls)::bigint AS blocked_calls,
    sum(seconds) AS seconds, sum(cost) AS cost
FROM (
    SELECT organization_id, hour AS at, calls, blocked_calls, seconds, cost FROM callgate.usage_hours
    UNION ALL
    SELECT organization_id, hour, calls, blocked_calls, seconds, cost FROM callgate.usage_deltas
) AS parts GROUP BY 1, 2
"""
HOURS_BY_DAY = """
SELECT organization_id, date_trunc('day', hour, 'UTC') AS at, sum(calls)::bigint AS calls,
    sum(blocked_calls)::bigint AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
FROM callgate.usage_hours GROUP BY 1, 2
"""
DAYS = """
SELECT organization_id, day AS at, calls, blocked_calls, seconds, cost FROM callgate.usage_days
"""
REPLAYED = """
SELECT organization_id, date_trunc('hour', began_at, 'UTC') AS at, sum(calls)::bigint AS calls,
    sum(blocked_calls)::bigint AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
FROM callgate.call_usage GROUP BY 1, 2
"""


async def read(pool: Pool, statement: str) -> Usage:
    rows = await pool.fetch(statement)
    return something((row["organization_id"], row["at"], sums_of(row)) for row in rows)


def something(rows: Iterable[tuple[UUID, datetime, UsageSums]]) -> Usage:
    """Sums by organization and time, without those of nothing."""
    found: Usage = {}
    for owner, at, sums in rows:
        found[owner, at] = found.get((owner, at), NOTHING) + sums
    return {key: sums for key, sums in found.items() if sums != NOTHING}


def usage_of(rows: Iterable[Any]) -> Usage:
    """The usage of rows of calls, of the model or of PostgreSQL, by plain addition."""
    return something(
        (
            row.organization_id,
            floor(row.started_at or row.created_at, HOUR),
            UsageSums(
                1,
                int(row.blocked),
                Decimal(str(row.duration_seconds or 0)),
                row.cost or Decimal(0),
            ),
        )
        for row in rows
        if row.organization_id is not None
    )


async def check(pool: Pool, expected: Usage | None = None) -> None:
    """Hours and days agree, and with the differences they are what the calls add up to."""
    assert await read(pool, DAYS) == await read(pool, HOURS_BY_DAY)
    kept = await read(pool, KEPT)
    assert kept == await read(pool, REPLAYED)
    if expected is not None:
        assert kept == expected
