"""How long the reads of the panel and the API take at size, with the plans of those that are slow.

    python -m tests.bench panel_lists [--organizations 1000] [--numbers 100] [--calls 1000000]
        [--days 400] [--only numbers calls] [--slow 20] [--folder FOLDER]

Prints the fastest and the median of several, and the plans of those that take longer than `--slow`
milliseconds. Ten million calls need up to 20 GB and eight minutes; `--folder` keeps the database for
another run. At the end the oldest months are dropped, as retention does it (`--drop`). The changes and
timelines of organizations are measured by `tests.bench.organizations`.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncpg.connection import LoggedQuery

from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.retention import months
from service.store.schema import migrate
from tests.bench.parts.many_calls import SETTINGS, add_many_calls, add_usage
from tests.bench.parts.panel_reads import (
    Read,
    Reads,
    find_known,
    read_calls,
    read_figures,
    read_numbers,
    read_organizations,
)

REPEATS = 15
KINDS = ("organizations", "numbers", "calls", "figures")
FILLED = "SELECT EXISTS (SELECT FROM callgate.organizations)"
FILL = (
    """
    INSERT INTO callgate.organizations (name, external_id)
    SELECT 'Organization ' || n, 'crm-' || n FROM generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, number, label)
    SELECT id, 'pn-' || external_id || CASE WHEN n > 1 THEN '-' || n ELSE '' END,
        '+49' || lpad(row_number() OVER ()::text, 9, '0'), 'Line ' || n || ' of ' || name
    FROM callgate.organizations, generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO callgate.webhook_states (phone_number_id, state, last_checked_at, original)
    SELECT id, CASE WHEN row_number() OVER () % 1000 < $1::int THEN 'drifted' ELSE 'in_sync' END,
        now(), jsonb_build_object('server', jsonb_build_object('url', repeat('x', 80)))
    FROM callgate.phone_numbers
    """,
)


class Proxy:
    """The pool, or the one connection that is listened to."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.connection: object | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection or self.pool, name)

    def acquire(self) -> Any:
        return self.pool.acquire() if self.connection is None else Kept(self.connection)


class Kept:
    """A connection that stays with its owner."""

    def __init__(self, connection: object) -> None:
        self.connection = connection

    async def __aenter__(self) -> object:
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        return None


async def measure(proxy: Proxy, name: str, read: Read, slow: float) -> float:
    """The median of a read in milliseconds, and where it is slow the plans of its statements."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await read()
        taken.append(1000 * (time.perf_counter() - began))
        if sum(taken) > 10_000:
            break
    median = statistics.median(taken)
    print(f"{name:50} {min(taken):8.1f} ms {median:8.1f} ms", flush=True)
    if median > slow:
        await show_plans(proxy, read)
    return median


async def show_plans(proxy: Proxy, read: Read) -> None:
    """How PostgreSQL answers each statement of a read."""
    said: list[LoggedQuery] = []
    async with proxy.pool.acquire() as connection:
        with connection.query_logger(said.append):
            proxy.connection = connection
            try:
                await read()
            finally:
                proxy.connection = None
        for query in said:
            if "callgate." not in query.query or "EXPLAIN" in query.query:
                continue
            plan = await connection.fetch("EXPLAIN (ANALYZE, BUFFERS) " + query.query, *query.args)
            print_plan([row[0] for row in plan])


def print_plan(lines: list[str]) -> None:
    newest = f"calls_{datetime.now(UTC):%Y_%m}"
    whole = re.findall(r"Seq Scan on (calls_\d{4}_\d\d)", "\n".join(lines))
    if any(month <= newest for month in whole):
        print("    !! SEQUENTIAL SCAN OF CALLS")
    shown = [line for line in lines if re.search("Scan|Sort|Time|Join|Loop", line)]
    print("    " + "\n    ".join(line.rstrip()[:150] for line in shown[:40]))


async def fill(pool: Pool, organizations: int, numbers: int, calls: int, days: float) -> None:
    """Insert the rows, unless they are there."""
    if await pool.fetchval(FILLED):
        return
    async with pool.acquire() as connection:
        await connection.execute(SETTINGS)
        for statement, given in zip(FILL, (organizations, numbers, 10), strict=True):
            await connection.execute(statement, given, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    if calls:
        await add_many_calls(pool, calls, days)
        await add_usage(pool)


async def run(dsn: str, given: argparse.Namespace) -> None:
    """Fill, then read."""
    pool = await create_pool(dsn, 4)
    await fill(pool, given.organizations, given.numbers, given.calls, given.days)
    proxy, known = Proxy(pool), await find_known(pool)
    kinds: Mapping[str, Reads] = {
        "organizations": await read_organizations(proxy),
        "numbers": read_numbers(proxy, known),
        "calls": read_calls(proxy, known),
        "figures": read_figures(proxy, known),
    }
    await measure(proxy, "bare SELECT 1", lambda: proxy.fetchval("SELECT 1"), given.slow)
    for kind in given.only:
        for name, read in kinds[kind].items():
            await measure(proxy, name, read, given.slow)
    if given.drop:
        began = time.perf_counter()
        dropped = await months.drop_months(pool, timedelta(days=given.drop))
        print(f"dropped {dropped:,} calls in {1000 * (time.perf_counter() - began):.0f} ms")
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench panel_lists", description=__doc__)
    parser.add_argument("--organizations", type=int, default=1000)
    parser.add_argument("--numbers", type=int, default=100, help="of each organization")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=400.0)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--slow", type=float, default=20.0, help="milliseconds")
    parser.add_argument(
        "--drop", type=float, default=0.0, help="months that ended so many days ago"
    )
    parser.add_argument("--folder", type=Path, help="where the database stays")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = EmbeddedPostgres(folder, options={"fsync": "off", "max_wal_size": "4GB"})
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            asyncio.run(run(dsn, given))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
