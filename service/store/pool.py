"""Connections to PostgreSQL: the shared pool, and single connections for listening."""

from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson

from service.store.failures import CONFLICTS, UNAVAILABLE
from service.store.held_databases import verify_released

__all__ = ("CONFLICTS", "UNAVAILABLE", "Connection", "Pool", "connect", "create_pool", "prepare")

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    Pool: TypeAlias = asyncpg.Pool[Any]
    OneConnection: TypeAlias = asyncpg.Connection[Any]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool
    OneConnection = asyncpg.Connection

CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 10.0


def dump_json(value: object) -> str:
    """JSON for a `jsonb` column; UUIDs, instants and dataclasses are written as the API does."""
    return orjson.dumps(value, default=str).decode()


async def prepare(connection: Connection) -> None:
    """Convert `jsonb` columns from and to Python values."""
    await connection.set_type_codec(
        "jsonb", encoder=dump_json, decoder=orjson.loads, schema="pg_catalog"
    )


class PooledConnection(OneConnection):
    """A connection through a pooler in transaction mode, which gives each statement any session."""

    def get_reset_query(self) -> str:
        """None: it would reset the session of another client."""
        return ""


async def create_pool(dsn: str, size: int, *, at_least: int = 1, pooled: bool = False) -> Pool:
    """Open a pool. A command may take `COMMAND_SECONDS`; the caller closes the pool.

    `at_least` connections are opened at once and kept; with 0, PostgreSQL need not answer yet.
    `pooled`: the address may lead to a pooler in transaction mode.
    """
    opening: Any = connect_checked
    return await asyncpg.create_pool(
        dsn,
        **options_for(pooled=pooled),
        connect=opening,
        min_size=at_least,
        max_size=size,
        init=prepare,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": "callgate", "timezone": "UTC"},
    )


async def connect_checked(dsn: str, **options: Any) -> Any:
    """Open a connection unless the database is held back until its check."""
    verify_released(dsn)
    return await asyncpg.connect(dsn, **options)


def options_for(*, pooled: bool) -> dict[str, Any]:
    """Without a cache of statements, each is sent in one piece, which any session can take."""
    return {"statement_cache_size": 0, "connection_class": PooledConnection} if pooled else {}


async def connect(dsn: str, *, pooled: bool = False) -> Connection:
    """Open a connection outside the pool, for LISTEN or a lock that a session holds."""
    connection = await open_connection(dsn, "callgate", CONNECT_SECONDS, pooled=pooled)
    await prepare(connection)
    return connection


async def open_connection(
    dsn: str, name: str, seconds: float, *, pooled: bool = False
) -> Connection:
    """Open a connection with an `application_name` within `seconds`; it is not prepared yet."""
    connection: Connection = await connect_checked(
        dsn,
        **options_for(pooled=pooled),
        timeout=seconds,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": name, "timezone": "UTC"},
    )
    return connection
