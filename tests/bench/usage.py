"""How long usage takes at size: the page, a month by client, one organization by day, a rebuild.

python -m tests.bench.usage [--organizations 1000] [--calls 1000000]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from service.access.directory import AccessDirectory
from service.access.usage.feed import UsageFeed
from service.access.usage.memory import UsageMemory
from service.admin.usage.usage import UsageReports
from service.domain.usage.periods import month_of, zone_of
from service.log import configure_logging
from service.store.organizations.directory import read_some
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from service.store.usage.folding import UsageFolding, rebuild

REPEATS = 15
CHUNK = 10_000
TRIGGER = "calls_usage_begun"
TRIGGERED = 10_000
"""Calls whose differences are folded; the others are summed up by a rebuild, which is faster."""

ORGANIZATIONS = """
WITH made AS (
    INSERT INTO callgate.organizations (name, external_id, time_zone)
    SELECT 'Organization ' || n, 'crm-' || n,
        CASE n % 20 WHEN 0 THEN 'Asia/Kolkata' WHEN 1 THEN 'America/New_York' END
    FROM generate_series(1, $1) AS n RETURNING id)
INSERT INTO callgate.plans (organization_id, code, status, limits, current_period_end)
SELECT id, 'pro', 'active', '{"minutes": 2000}', now() + interval '12 days 3 hours 7 minutes'
FROM made
"""

# Over 62 days, so that this month and the month before are full.
CALLS = """
WITH owners AS MATERIALIZED (
    SELECT array_agg(id ORDER BY id) AS ids, count(*)::int AS many FROM callgate.organizations)
INSERT INTO callgate.calls (vapi_call_id, organization_id, type, status, blocked, reason, gate,
    decision, started_at, ended_at, duration_seconds, cost, created_at, updated_at)
SELECT 'call-' || n, ids[1 + n % many], 'inboundPhoneCall',
    CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'ended' END, n % 7 = 0, 'plan_active', 'event', '{}',
    at, at, n % 300, (n % 100) / 100.0, at, at
FROM owners, generate_series($1::int, $2::int) AS n,
    LATERAL (SELECT now() - make_interval(secs => n::bigint * 7919 % (62 * 86400)) AS at) AS instant
"""


async def measure(name: str, work: Callable[[], Awaitable[object]], repeats: int = REPEATS) -> None:
    """Print the median and the worst time."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        await work()
        taken.append(1000 * (time.perf_counter() - began))
    print(f"{name:52} median {statistics.median(taken):8.1f}  worst {max(taken):8.1f} ms")


async def fill(pool: Pool, organizations: int, calls: int) -> None:
    """Add organizations and their calls, most of them without the trigger, and sum all of them up."""
    await pool.execute(ORGANIZATIONS, organizations)
    first = max(calls - TRIGGERED + 1, 1)
    await pool.execute(f"ALTER TABLE callgate.calls DISABLE TRIGGER {TRIGGER}")
    for start in range(1, first, CHUNK):
        await pool.execute(CALLS, start, min(start + CHUNK - 1, first - 1))
    began = time.perf_counter()
    await pool.execute(f"ALTER TABLE callgate.calls ENABLE TRIGGER {TRIGGER}")
    await rebuild_all(pool)
    print(f"first rebuild {time.perf_counter() - began:.1f} s")
    await pool.execute(CALLS, first, calls)
    began = time.perf_counter()
    await UsageFolding(pool, after=0.0).fold()
    print(f"{calls - first + 1} differences folded in {time.perf_counter() - began:.1f} s")
    for table in ("calls", "usage_hours", "usage_days", "usage_deltas", "organizations", "plans"):
        await pool.execute(f"VACUUM ANALYZE callgate.{table}", timeout=600)


async def rebuild_all(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        print(await rebuild(connection))


async def run(dsn: str, organizations: int, calls: int) -> None:
    pool = await create_pool(dsn, 4)
    await fill(pool, organizations, calls)
    reports, now = UsageReports(pool), datetime.now(UTC)
    utc, kolkata = zone_of(None), zone_of("Asia/Kolkata")
    this, before = month_of(now, utc), month_of(now, utc, months=-1)
    owner = await pool.fetchval("SELECT id FROM callgate.organizations ORDER BY id LIMIT 1")
    await measure("SELECT 1", lambda: pool.fetchval("SELECT 1"))
    await measure("this month by client (GET /usage)", lambda: reports.page(this, limit=51))
    await measure("last month by client", lambda: reports.page(before, limit=51))
    await measure(
        "all clients with last month (the page)", lambda: reports.read_clients(now.date(), {})
    )
    await measure("all clients together by day (the page)", lambda: reports.list_days(now.date()))
    await measure("one organization by day, UTC", lambda: reports.read(owner, before, "day", utc))
    await measure(
        "one organization by day, Asia/Kolkata",
        lambda: reports.read(owner, month_of(now, kolkata, -1), "day", kolkata),
    )
    await measure("limits of all plans (conditions)", reports.list_limits)
    await measure_feed(pool)
    await measure("rebuild", lambda: rebuild_all(pool), repeats=1)
    await pool.close()


async def measure_feed(pool: Pool) -> None:
    """What a replica reads for its policies: all at a start, then what has changed."""
    directory = AccessDirectory()
    rows = await pool.fetch("SELECT id FROM callgate.organizations")
    for entry in (await read_some(pool, [row["id"] for row in rows])).values():
        directory.put(entry)
    directory.loaded = True
    feed = UsageFeed(pool, directory, UsageMemory())

    async def read_all() -> None:
        feed.all_read_at = float("-inf")
        await feed.turn()

    await measure("usage for policies, all organizations", read_all)
    await measure("usage for policies, nothing has changed", feed.turn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    given = parser.parse_args()
    configure_logging(style="console", level="WARNING", secrets=[])
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data")
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            uvloop.run(run(dsn, given.organizations, given.calls))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
