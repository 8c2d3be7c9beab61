"""The waits of a request end in all after its allowance; long work and what outlives it go on."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from service.store.limits import waiting_at_least, waiting_at_most, without_allowance
from service.store.pool import Pool, create_pool
from tests.support.tcp_proxy import TcpProxy, proxied

ALLOWED = 0.4
SOON = 3.0
"""For a loaded machine; far less than the ten seconds of a command."""


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[TcpProxy]:
    async with proxied(dsn) as found:
        yield found


@pytest.fixture
async def through(proxy: TcpProxy) -> AsyncIterator[Pool]:
    """A pool of two connections, which go through the proxy."""
    opened = await create_pool(proxy.dsn, 2)
    yield opened
    opened.terminate()


async def sleep_in(pool: Pool, seconds: float) -> None:
    await pool.execute("SELECT pg_sleep($1)", seconds)


async def test_after_one_wait_in_vain_every_other_fails_at_once(pool: Pool) -> None:
    with waiting_at_most(ALLOWED):
        with pytest.raises(TimeoutError):
            await sleep_in(pool, 60)
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await pool.fetchval("SELECT 1")
        assert time.monotonic() - began < ALLOWED
    assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("fault", ["stall", "black_hole"])
async def test_neither_a_connection_nor_a_transaction_is_waited_for_longer(
    proxy: TcpProxy, through: Pool, fault: str
) -> None:
    """All connections are in use, by transactions whose rollback gets no answer either."""

    async def work() -> None:
        with waiting_at_most(ALLOWED):
            async with through.acquire() as connection, connection.transaction():
                await connection.execute("SELECT 1")

    await work()
    with proxy.fault("stall" if fault == "stall" else "black_hole"):
        began = time.monotonic()
        found = await asyncio.gather(*(work() for _ in range(6)), return_exceptions=True)
        assert time.monotonic() - began < SOON
        assert all(isinstance(one, OSError) for one in found), found


async def test_the_end_of_a_request_has_a_time_of_its_own_and_no_more(pool: Pool) -> None:
    with waiting_at_most(ALLOWED):
        with pytest.raises(TimeoutError):
            await sleep_in(pool, 60)
        with waiting_at_least(ALLOWED):
            assert await pool.fetchval("SELECT 1") == 1
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                await sleep_in(pool, 60)
            assert time.monotonic() - began < SOON


async def test_many_short_waits_count_together(pool: Pool) -> None:
    done = 0

    async def work() -> None:
        nonlocal done
        for _ in range(50):
            await sleep_in(pool, ALLOWED / 10)
            done += 1

    with waiting_at_most(ALLOWED):
        with pytest.raises(TimeoutError):
            await work()
    assert 0 < done < 11


async def test_long_work_in_a_request_is_not_cut(pool: Pool) -> None:
    with waiting_at_most(ALLOWED):
        assert await pool.fetchval("SELECT 1") == 1
        with without_allowance():
            await sleep_in(pool, 2 * ALLOWED)
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_task_that_waits_after_the_request_has_no_allowance(pool: Pool) -> None:
    gone = asyncio.Event()

    async def outlive() -> None:
        await gone.wait()
        await sleep_in(pool, 2 * ALLOWED)

    with waiting_at_most(ALLOWED):
        task = asyncio.create_task(outlive())
        with pytest.raises(TimeoutError):
            await sleep_in(pool, 60)
    gone.set()
    await task
