"""Deleting calls past their age, while new calls are recorded.

    python -m tests.bench retention [--calls 100000] [--bite 500]

Prints how long deleting took, the rows a second, the longest bite, and how long recording a call took
meanwhile and in quiet. Nothing here is a test: a shared machine's figures move by a quarter.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import uvloop

from service.log import configure_logging
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.retention.kept_rows import KeptRows, kept_rows
from service.store.retention.retention import Retention
from service.store.schema import migrate

KEEP = timedelta(days=400)
STEPS = 5
QUIET_SECONDS = 5.0

FILL = """
WITH added AS (
    INSERT INTO callgate.calls (vapi_call_id, organization_id, vapi_phone_number_id, status, blocked,
        reason, gate, decision, created_at, updated_at, ended_at, duration_seconds, cost)
    SELECT gen_random_uuid()::text, md5((n % 1000)::text)::uuid, 'pn-' || n % 3000, 'ended', n % 5 = 0,
        'plan_active', 'event', jsonb_build_object('trace', repeat(md5(n::text), 30)),
        at, at, at, 60, 0.1
    FROM (SELECT n, now() - interval '401 days' - n * interval '1 second' AS at
        FROM generate_series(1, $1::int) n) AS given
    RETURNING vapi_call_id, created_at)
INSERT INTO callgate.call_events (vapi_call_id, at, kind, detail)
SELECT vapi_call_id, created_at, 'message', '{"type": "status-update", "reply": 200}'
FROM added, generate_series(1, $2::int)
"""

RECORD = """
INSERT INTO callgate.calls (vapi_call_id, status, blocked, reason, gate, decision)
VALUES (gen_random_uuid()::text, 'in-progress', false, 'plan_active', 'event', '{}')
"""


class TimedRetention(Retention):
    """Retention that notes how long its longest bite took."""

    longest = 0.0

    async def delete_rows(self, rows: KeptRows) -> None:
        timed = TimedPool(self.pool)
        await Retention(timed, [rows], bite=self.bite).delete_rows(rows)  # type: ignore[arg-type]
        self.longest = max(self.longest, timed.longest)


class TimedPool:
    """A pool that notes its slowest statement."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.longest = 0.0

    async def execute(self, statement: str, *values: object) -> str:
        began = time.perf_counter()
        status = await self.pool.execute(statement, *values)
        self.longest = max(self.longest, time.perf_counter() - began)
        return status


async def record_calls(pool: Pool, until: asyncio.Event) -> list[float]:
    """Record calls one after the other; the milliseconds that each took."""
    took = []
    while not until.is_set():
        began = time.perf_counter()
        await pool.execute(RECORD)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.005)
    return took


def describe(name: str, took: list[float]) -> str:
    """The quantiles of some latencies."""
    cuts = statistics.quantiles(took, n=100)
    figures = f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(took):.0f} ms"
    return f"{name}: {len(took)} calls, {figures}"


async def measure(dsn: str, calls: int, bite: int) -> None:
    """Fill, delete, print."""
    pool = await create_pool(dsn, 4)
    for _ in range(max(calls // 20_000, 1)):
        await pool.execute(FILL, min(calls, 20_000), STEPS, timeout=300)
    await pool.execute("ANALYZE", timeout=300)
    await pool.execute("UPDATE callgate.retention SET next_at = now()")
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(QUIET_SECONDS, over.set)
    print(describe("in quiet", await record_calls(pool, over)))
    over = asyncio.Event()
    recording = asyncio.create_task(record_calls(pool, over))
    retention = TimedRetention(pool, kept_rows(KEEP, KEEP, KEEP), bite=bite)
    began = time.perf_counter()
    await retention.delete_if_due()
    seconds = time.perf_counter() - began
    over.set()
    print(describe("meanwhile", await recording))
    left = await pool.fetchval("SELECT count(*) FROM callgate.calls WHERE ended_at IS NOT NULL")
    print(f"{calls} calls with {calls * STEPS} steps deleted in {seconds:.1f} s, {left} left")
    print(
        f"{calls / seconds:.0f} calls/s; longest bite of {bite}: {retention.longest * 1000:.0f} ms"
    )
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--bite", type=int, default=500)
    given = parser.parse_args()
    configure_logging(style="console", level="WARNING", secrets=[])
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data")
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            uvloop.run(measure(dsn, given.calls, given.bite))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
