"""Folds differences into hours and days, and rebuilds both from the calls that are still there.

One lock lets a single replica fold or rebuild at a time; readers and the recording of calls never wait
for it.
"""

from dataclasses import dataclass

import structlog

from service.background import BackgroundLoop
from service.store.pool import UNAVAILABLE, Connection, Pool

EVERY_SECONDS = 5.0
FOLD_AFTER_SECONDS = 30.0
"""How long a difference waits: replicas learn from it meanwhile whose usage has changed."""
BATCH = 2_000
REBUILD_SECONDS = 600.0

TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('callgate.usage', 0))"
LONGER = "SET LOCAL statement_timeout = '10min'"
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('callgate.usage', 0))"

# In one statement, so that a reader sees each difference either here or there.
FOLD = """
WITH folded AS (
    DELETE FROM callgate.usage_deltas WHERE id IN (
        SELECT id FROM callgate.usage_deltas
        WHERE created_at < clock_timestamp() - make_interval(secs => $1) ORDER BY id LIMIT $2)
    RETURNING organization_id, hour, calls, blocked_calls, seconds, cost),
hours AS (
    INSERT INTO callgate.usage_hours AS u
    SELECT organization_id, hour, sum(calls), sum(blocked_calls), sum(seconds), sum(cost)
    FROM folded GROUP BY 1, 2
    ON CONFLICT ON CONSTRAINT usage_hours_pkey DO UPDATE SET calls = u.calls + excluded.calls,
        blocked_calls = u.blocked_calls + excluded.blocked_calls,
        seconds = u.seconds + excluded.seconds, cost = u.cost + excluded.cost),
days AS (
    INSERT INTO callgate.usage_days AS u
    SELECT organization_id, date_trunc('day', hour, 'UTC'), sum(calls), sum(blocked_calls),
        sum(seconds), sum(cost)
    FROM folded GROUP BY 1, 2
    ON CONFLICT ON CONSTRAINT usage_days_pkey DO UPDATE SET calls = u.calls + excluded.calls,
        blocked_calls = u.blocked_calls + excluded.blocked_calls,
        seconds = u.seconds + excluded.seconds, cost = u.cost + excluded.cost)
SELECT count(*) FROM folded
"""

# From the first whole day whose calls are all there. A call is deleted by when it was recorded, which
# is never before it began. A second day's margin: deletion notes how far it goes when it begins, and
# goes further by as long as it lasts, perhaps over a midnight.
BEGINNING = """
SELECT date_trunc('day', calls_deleted_before, 'UTC') + interval '2 days' FROM callgate.retention
"""

# One snapshot for calls and differences: those that it includes go, later ones are folded as ever.
# Rows to write and rows to delete are different ones, since the parts of a statement have no order.
REBUILD_ALL = """
WITH counted AS MATERIALIZED (
    SELECT organization_id, date_trunc('hour', began_at, 'UTC') AS hour, sum(calls)::bigint AS calls,
        sum(blocked_calls)::bigint AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
    FROM callgate.call_usage WHERE $1::timestamptz IS NULL OR began_at >= $1 GROUP BY 1, 2),
by_day AS MATERIALIZED (
    SELECT organization_id, date_trunc('day', hour, 'UTC') AS day, sum(calls)::bigint AS calls,
        sum(blocked_calls)::bigint AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
    FROM counted GROUP BY 1, 2),
known AS MATERIALIZED (
    SELECT organization_id, hour, sum(calls)::bigint AS calls,
        sum(blocked_calls)::bigint AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
    FROM (SELECT organization_id, hour, calls, blocked_calls, seconds, cost
            FROM callgate.usage_hours WHERE $1::timestamptz IS NULL OR hour >= $1
        UNION ALL SELECT organization_id, hour, calls, blocked_calls, seconds, cost
            FROM callgate.usage_deltas WHERE $1::timestamptz IS NULL OR hour >= $1) AS parts
    GROUP BY 1, 2),
differing AS (
    SELECT organization_id, hour FROM known k FULL JOIN counted c USING (organization_id, hour)
    WHERE (coalesce(k.calls, 0), coalesce(k.blocked_calls, 0), coalesce(k.seconds, 0),
            coalesce(k.cost, 0))
        <> (coalesce(c.calls, 0), coalesce(c.blocked_calls, 0), coalesce(c.seconds, 0),
            coalesce(c.cost, 0))),
folded AS (
    DELETE FROM callgate.usage_deltas WHERE $1::timestamptz IS NULL OR hour >= $1),
hours AS (
    INSERT INTO callgate.usage_hours AS u SELECT * FROM counted
    ON CONFLICT ON CONSTRAINT usage_hours_pkey DO UPDATE SET calls = excluded.calls,
        blocked_calls = excluded.blocked_calls, seconds = excluded.seconds, cost = excluded.cost
    WHERE (u.calls, u.blocked_calls, u.seconds, u.cost)
        <> (excluded.calls, excluded.blocked_calls, excluded.seconds, excluded.cost)),
hours_gone AS (
    DELETE FROM callgate.usage_hours u WHERE ($1::timestamptz IS NULL OR u.hour >= $1)
        AND NOT EXISTS (SELECT FROM counted c
            WHERE c.organization_id = u.organization_id AND c.hour = u.hour)),
days AS (
    INSERT INTO callgate.usage_days AS u SELECT * FROM by_day
    ON CONFLICT ON CONSTRAINT usage_days_pkey DO UPDATE SET calls = excluded.calls,
        blocked_calls = excluded.blocked_calls, seconds = excluded.seconds, cost = excluded.cost
    WHERE (u.calls, u.blocked_calls, u.seconds, u.cost)
        <> (excluded.calls, excluded.blocked_calls, excluded.seconds, excluded.cost)),
days_gone AS (
    DELETE FROM callgate.usage_days u WHERE ($1::timestamptz IS NULL OR u.day >= $1)
        AND NOT EXISTS (SELECT FROM by_day c
            WHERE c.organization_id = u.organization_id AND c.day = u.day))
SELECT (SELECT coalesce(sum(calls), 0) FROM counted)::bigint AS calls,
    (SELECT count(DISTINCT organization_id) FROM counted) AS organizations,
    (SELECT count(*) FROM counted) AS hours, (SELECT count(*) FROM differing) AS corrected
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild read and wrote. `corrected` counts hours whose sums were wrong."""

    calls: int
    organizations: int
    hours: int
    corrected: int


@dataclass(frozen=True, slots=True)
class UsageFolding:
    """Folds differences that are `after` seconds old."""

    pool: Pool
    after: float = FOLD_AFTER_SECONDS
    batch: int = BATCH

    def background(self) -> BackgroundLoop:
        """Folds every few seconds."""
        return BackgroundLoop(
            "usage_folding", self.fold, interval=EVERY_SECONDS, outages=UNAVAILABLE
        )

    async def fold(self) -> None:
        """Fold all differences that are due, batch by batch; none while another replica does."""
        while await self.fold_batch() >= self.batch:
            pass

    async def fold_batch(self) -> int:
        """Fold some differences in one transaction, and return how many."""
        async with self.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(TRY_LOCK):
                return 0
            return int(await connection.fetchval(FOLD, self.after, self.batch))


async def rebuild(connection: Connection) -> Rebuilt:
    """Sum up the calls again in a transaction, for the time whose calls are all there.

    Older sums stay.
    """
    await connection.execute(LONGER)
    await connection.execute(LOCK)
    since = await connection.fetchval(BEGINNING)
    row = await connection.fetchrow(REBUILD_ALL, since, timeout=REBUILD_SECONDS)
    assert row is not None
    rebuilt = Rebuilt(**dict(row))
    log.info("usage.rebuilt", calls=rebuilt.calls, corrected=rebuilt.corrected)
    return rebuilt
