"""How long the panel's reads of calls take at size, with their plans, beside a bare `SELECT 1`.

    python -m tests.bench.panel_lists [--organizations 10000] [--calls 1000000] [--days 400]

The lists of organizations and of changes are measured by `tests.bench.organizations`.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from asyncpg.connection import LoggedQuery

from service.admin.conditions import ConditionWatch, StoredConditions
from service.admin.overview import Overview
from service.store.calls import feed
from service.store.calls.listing import search as call_list
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.rows import find_names
from service.store.clock import get_now
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from tests.bench.parts.many_calls import add_many_calls

REPEATS = 15

FILL = (
    """
    INSERT INTO callgate.organizations (name, external_id)
    SELECT 'Organization ' || n, 'crm-' || n FROM generate_series(1, $1) AS n
    """,
    """
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, number, label)
    SELECT id, 'pn-' || external_id, '+49' || lpad(row_number() OVER ()::text, 9, '0'),
        'Line of ' || name
    FROM callgate.organizations
    """,
    "INSERT INTO callgate.webhook_states (phone_number_id) SELECT id FROM callgate.phone_numbers",
)

Read = Callable[[], Awaitable[object]]


async def measure(pool: Pool, name: str, read: Read) -> None:
    """The median time of a read, and the plan of each of its statements."""
    said: list[LoggedQuery] = []
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await read()
        taken.append(1000 * (time.perf_counter() - began))
    print(f"\n{name:44} median {statistics.median(taken):7.1f}  worst {max(taken):7.1f} ms")
    async with pool.acquire() as connection:
        with connection.query_logger(said.append):
            lone = Lone(connection)
            await lone.run(read)
    for query in said:
        if "callgate." not in query.query:
            continue
        async with pool.acquire() as connection:
            plan = await connection.fetch("EXPLAIN (ANALYZE, BUFFERS) " + query.query, *query.args)
        lines = [row[0] for row in plan]
        newest = f"calls_{datetime.now(UTC):%Y_%m}"
        read_whole = re.findall(r"Seq Scan on (calls_\d{4}_\d\d)", "\n".join(lines))
        if any(month <= newest for month in read_whole):
            print("    !! SEQUENTIAL SCAN OF CALLS")
        shown = [x for x in lines if "Scan" in x or "Sort" in x or "Execution" in x]
        print("    " + "\n    ".join(line.strip()[:150] for line in shown))


class Lone:
    """Lets a read go through one connection, so that its statements can be listened to."""

    def __init__(self, connection: object) -> None:
        self.connection = connection

    async def run(self, read: Read) -> None:
        CURRENT.append(self.connection)
        try:
            await read()
        finally:
            CURRENT.clear()


CURRENT: list[object] = []


async def fill(pool: Pool, organizations: int, calls: int, days: float) -> None:
    """Insert the rows."""
    async with pool.acquire() as connection:
        await connection.execute(FILL[0], organizations, timeout=600)
        for statement in FILL[1:]:
            await connection.execute(statement, timeout=600)
    await add_many_calls(pool, calls, days)


async def run(dsn: str, organizations: int, calls: int, days: float) -> None:
    """Fill, then read."""
    pool = await create_pool(dsn, 4)
    await fill(pool, organizations, calls, days)
    number = await pool.fetchrow("SELECT id, organization_id FROM callgate.phone_numbers LIMIT 1")
    assert number is not None
    current = Proxy(pool)
    a_while_ago = datetime.now(UTC) - timedelta(days=3)

    def page(wanted: CallFilter, search: str | None = None) -> Read:
        async def read() -> object:
            found = await call_list.find_page(current, wanted, search=search, whole=True, limit=50)  # type: ignore[arg-type]
            ids: list[UUID] = [call.id for call in found.calls]
            return await find_names(current, ids)  # type: ignore[arg-type]

        return read

    async def bare() -> object:
        return await current.fetchval("SELECT 1")

    await measure(pool, "bare SELECT 1", bare)
    owner, its = number["organization_id"], number["id"]
    for name, wanted in {
        "all": CallFilter(),
        "blocked": CallFilter(blocked=True),
        "allowed": CallFilter(blocked=False),
        "a reason": CallFilter(reason="trial_expired"),
        "a reason that is none": CallFilter(reason="nothing"),
        "a gate": CallFilter(gate="request"),
        "a gate without calls": CallFilter(gate="ring"),
        "an organization": CallFilter(organization_id=owner),
        "an organization, blocked": CallFilter(organization_id=owner, blocked=True),
        "a number": CallFilter(phone_number_id=its),
        "a period": CallFilter(until=a_while_ago, since=a_while_ago - timedelta(days=1)),
        "what nothing fits: a reason, not blocked": CallFilter(
            reason="trial_expired", blocked=False
        ),
    }.items():
        await measure(pool, f"calls: {name}", page(wanted))
    for text in (
        "call-77",
        "crm-77",
        "pn-crm-77",
        "+49000000077",
        "nothing",
        "1077",
        "0001077",
        "Organization 77",
        "rganization 1",
    ):
        await measure(pool, f"calls: search {text}", page(CallFilter(), text))

    async def changed() -> object:
        now = await get_now(current)  # type: ignore[arg-type]
        return await feed.list_changes(current, now - timedelta(seconds=60), 500)  # type: ignore[arg-type]

    await measure(pool, "the feed's look", changed)
    overview = Overview(
        current,  # type: ignore[arg-type]
        ConditionWatch(StoredConditions(current, "key")),  # type: ignore[arg-type]
    )
    began = time.perf_counter()
    await overview.figures()
    print(f"\noverview, the first time: {1000 * (time.perf_counter() - began):.0f} ms")
    await measure(pool, "overview", overview.figures)
    await pool.close()


class Proxy:
    """The pool, or the one connection that is listened to."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(CURRENT[0] if CURRENT else self.pool, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=400.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name), options={"fsync": "off"})
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            asyncio.run(run(dsn, given.organizations, given.calls, given.days))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
