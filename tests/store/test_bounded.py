"""Waits on PostgreSQL end in time, whatever the network does, and leave nothing running behind."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.store.bounded import MOST_ABANDONED, TooManyAbandonedError, at_most
from service.store.failures import UNAVAILABLE, DatabaseUnavailableError
from service.store.pool import Connection, Pool, create_pool
from tests.support.service import eventually
from tests.support.tcp_proxy import TcpProxy, named, proxied

PATIENCE = 0.3
SOON = 3.0
"""Far more than `PATIENCE`, for a loaded machine; far less than the ten seconds of a command."""

SERVICE = Path(__file__).parents[2] / "service"
IN_SESSION = re.compile(
    r"\bpg_(try_)?advisory_lock|\bset_config\(|\badd_listener\(|\"(SET (?!LOCAL)|LISTEN|DECLARE) "
)

RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state <> 'idle' AND query LIKE '%a_slow_one%'
    AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[TcpProxy]:
    async with proxied(dsn) as found:
        yield found


@pytest.fixture
async def through(proxy: TcpProxy) -> AsyncIterator[Pool]:
    """A pool whose connections go through the proxy."""
    opened = await create_pool(proxy.dsn, 20)
    yield opened
    opened.terminate()


async def run_slowly(pool: Pool) -> None:
    async with at_most(PATIENCE), pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_sleep(60) AS a_slow_one")


@pytest.mark.parametrize("fault", ["stall", "black_hole"])
async def test_a_connection_that_hangs_is_abandoned_at_the_deadline(
    proxy: TcpProxy, through: Pool, fault: str
) -> None:
    async with through.acquire() as connection:
        await connection.fetchval("SELECT 1")
    began = time.monotonic()
    with proxy.fault("stall" if fault == "stall" else "black_hole"):
        with pytest.raises(TimeoutError):
            await run_slowly(through)
        assert time.monotonic() - began < SOON


async def test_an_abandoned_statement_ends_in_postgresql(pool: Pool) -> None:
    with pytest.raises(TimeoutError):
        await run_slowly(pool)

    async def is_gone() -> bool:
        return bool(await pool.fetchval(RUNNING) == 0)

    await eventually(is_gone, 5)


async def test_a_cancelled_task_stays_cancelled(pool: Pool) -> None:
    """The lost connection must not turn the cancellation into an error that a loop would survive."""
    task = asyncio.create_task(run_slowly(pool))
    await asyncio.sleep(PATIENCE / 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_abandoned_statements_are_limited_and_room_returns(
    proxy: TcpProxy, through: Pool, pool: Pool, dsn: str
) -> None:
    """Statements hang on a lock, and the connection that would end them cannot be opened."""
    await through.execute("CREATE TABLE callgate.held ()")
    holder = await asyncpg.connect(dsn)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("LOCK TABLE callgate.held IN ACCESS EXCLUSIVE MODE")

    async def read() -> BaseException | None:
        try:
            async with at_most(PATIENCE), through.acquire() as connection:
                await connection.execute("SELECT 1 AS a_slow_one FROM callgate.held")
        except UNAVAILABLE as exc:
            return exc
        return None

    with proxy.fault("refuse", named("callgate end")):
        for _ in range(2):
            errors = await asyncio.gather(*(read() for _ in range(MOST_ABANDONED)))
        assert all(isinstance(error, TooManyAbandonedError) for error in errors)
        assert await pool.fetchval(RUNNING) <= MOST_ABANDONED

    async def has_room() -> bool:
        return bool(await pool.fetchval(RUNNING) == 0)

    await eventually(has_room, 10)
    await lock.rollback()
    await holder.close()

    async def works() -> bool:
        return await read() is None

    await eventually(works, 10)


async def test_a_connection_goes_back_without_another_round_trip(dsn: str) -> None:
    pool, other = await create_pool(dsn, 1), await create_pool(dsn, 1)
    session = await pool.fetchval("SELECT pg_backend_pid() AS the_last_one")
    last = "SELECT query FROM pg_stat_activity WHERE pid = $1"
    assert await other.fetchval(last, session) == "SELECT pg_backend_pid() AS the_last_one"
    await pool.close()
    await other.close()


def test_only_connections_outside_the_pools_keep_something_in_their_session() -> None:
    found = {
        str(path.relative_to(SERVICE))
        for path in SERVICE.rglob("*.py")
        if IN_SESSION.search(path.read_text())
    }
    assert found == {
        "access/enforcement/late_driver.py",
        "reconcile/loop.py",
        "store/organizations/feed_source.py",
        "store/own_connections.py",
        "store/schema.py",
    }


async def test_a_transaction_that_is_left_open_ends_with_the_use_of_its_connection(
    dsn: str,
) -> None:
    pool = await create_pool(dsn, 1)
    async with pool.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SET LOCAL search_path = callgate")
    async with pool.acquire() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SHOW search_path") != "callgate"
    await pool.close()


async def test_limits_hold_in_every_session_of_the_pool(pool: Pool) -> None:
    for _ in range(2):  # a second time, after the connection went back to the pool
        async with pool.acquire() as connection:
            assert await connection.fetchval("SHOW statement_timeout") == "10s"
            assert await connection.fetchval("SHOW lock_timeout") == "3s"
            wait = await connection.fetchval("SHOW idle_in_transaction_session_timeout")
            assert wait == "15s"


async def test_an_error_of_a_pooler_without_a_class_is_unavailable(pool: Pool) -> None:
    async def fail(_connection: Connection) -> None:
        raise asyncpg.PostgresError("server conn crashed?")

    async with pool.acquire() as connection:
        with pytest.raises(DatabaseUnavailableError):
            async with at_most(1):
                await fail(connection)
