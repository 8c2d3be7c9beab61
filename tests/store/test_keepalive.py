"""Every connection to PostgreSQL has the options by which the system notices a dead one."""

import socket

import pytest

from service.store.keepalive import SERVER_SETTINGS, UNANSWERED_SECONDS
from service.store.own_connections import OwnConnection
from service.store.pool import Connection, connect, create_pool
from tests.support.tcp_proxy import proxied

SOURCE = "SELECT array_agg(DISTINCT source) FROM pg_settings WHERE name = ANY($1)"


def option(connection: Connection, level: int, name: int) -> int:
    found = connection._transport.get_extra_info("socket")  # type: ignore[union-attr]
    return int(found.getsockopt(level, name))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has TCP_USER_TIMEOUT.")
async def test_every_kind_of_connection_has_them(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        own = OwnConnection(proxy.dsn, "own")
        pool = await create_pool(proxy.dsn, 1)
        async with pool.acquire() as pooled:
            single = await connect(proxy.dsn)
            for one in (pooled, single, await own.open()):
                assert option(one, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                unanswered = option(one, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert unanswered == UNANSWERED_SECONDS * 1000
                # PostgreSQL has it as well; on the proxy's socket of the file system it has no effect.
                assert await one.fetchval(SOURCE, list(SERVER_SETTINGS)) == ["client"]
            single.terminate()
        own.drop()
        pool.terminate()
