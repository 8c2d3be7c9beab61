"""The proxy harms the chosen connections to PostgreSQL and no others."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.support.tcp_proxy import named, proxied

LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)


async def connect(dsn: str, name: str) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(dsn, timeout=5, server_settings={"application_name": name})


async def test_cut_stalled_and_delayed_connections(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        harmed, other = await connect(proxy.dsn, "harmed"), await connect(proxy.dsn, "other")
        with proxy.fault("stall", named("harmed")):
            query = asyncio.create_task(harmed.fetchval("SELECT 1"))
            assert await other.fetchval("SELECT 2") == 2
            assert not query.done()
        assert await query == 1
        with proxy.fault("delay", named("harmed"), 0.1):
            began = asyncio.get_running_loop().time()
            await harmed.fetchval("SELECT 1")
            assert asyncio.get_running_loop().time() - began >= 0.2
        assert proxy.cut(named("harmed")) == 1
        with pytest.raises(LOST):
            await harmed.fetchval("SELECT 1")
        assert await other.fetchval("SELECT 2") == 2
        other.terminate()


async def test_half_open_connections_stay_silent_and_new_ones_work(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        harmed = await connect(proxy.dsn, "harmed")
        with proxy.fault("black_hole", named("harmed")):
            query = asyncio.create_task(harmed.fetchval("SELECT 1"))
            await asyncio.wait({query}, timeout=0.3)
        await asyncio.wait({query}, timeout=0.3)
        assert not query.done()
        assert not harmed.is_closed()
        fresh = await connect(proxy.dsn, "harmed")
        assert await fresh.fetchval("SELECT 3") == 3
        with proxy.fault("refuse", named("harmed")), pytest.raises(LOST):
            await connect(proxy.dsn, "harmed")
        harmed.terminate()
        await asyncio.gather(query, return_exceptions=True)
        fresh.terminate()
