"""Connections to PostgreSQL: the shared pool, and single connections for listening."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson
import structlog

from service.store.bounded import Abandoned, BoundedConnection, BoundedPool
from service.store.failures import CONFLICTS, UNAVAILABLE
from service.store.held_databases import verify_released
from service.store.keepalive import SERVER_SETTINGS, keep_alive
from service.store.limits import REQUESTS, SESSIONS, Limits

__all__ = (
    "CONFLICTS",
    "UNAVAILABLE",
    "Connection",
    "Pool",
    "close_pool",
    "connect",
    "create_pool",
    "prepare",
    "snapshot",
)

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    Pool: TypeAlias = asyncpg.Pool[Any]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 10.0
IDLE_SECONDS = 300.0
CLOSE_SECONDS = 3.0
MOST_QUERIES = 50_000
"""Of one connection; these two are asyncpg's own defaults."""

WITHOUT_LIMITS: set[str] = set()
"""Addresses of poolers that refuse the parameters of `Limits`."""

log = structlog.get_logger()


def dump_json(value: object) -> str:
    """JSON for a `jsonb` column; UUIDs, instants and dataclasses are written as the API does."""
    return orjson.dumps(value, default=str).decode()


async def prepare(connection: Connection) -> None:
    """Let the system notice a dead connection; convert `jsonb` columns from and to Python values."""
    keep_alive(connection)
    await connection.set_type_codec(
        "jsonb", encoder=dump_json, decoder=orjson.loads, schema="pg_catalog"
    )


async def create_pool(
    dsn: str,
    size: int,
    *,
    at_least: int = 1,
    pooled: bool = False,
    limits: Limits = REQUESTS,
) -> Pool:
    """Open a pool. A command may take as long as `limits` say; the caller closes the pool.

    `at_least` connections are opened at once and kept; with 0, PostgreSQL need not answer yet.
    `pooled`: the address may lead to a pooler in transaction mode. A command that times out or is
    cancelled costs its connection, see `bounded`.
    """
    options = options_for(pooled=pooled)
    abandoned = Abandoned(
        partial(open_connection, dsn, "callgate end", CONNECT_SECONDS, pooled=pooled)
    )

    async def connect_if_room(address: str, **given: Any) -> Any:
        abandoned.check_room()
        connection = await connect_checked(address, "callgate", None if pooled else limits, **given)
        connection.abandoned = abandoned
        return connection

    opening: Any = connect_if_room
    pool = BoundedPool(
        dsn,
        **options,
        connect=opening,
        record_class=asyncpg.Record,
        min_size=at_least,
        max_size=size,
        max_queries=MOST_QUERIES,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        loop=None,
        init=prepare,
        timeout=CONNECT_SECONDS,
        command_timeout=limits.command_seconds,
    )
    pool.abandoned = abandoned
    await pool
    return pool


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose statements all see the same."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def close_pool(pool: Pool) -> None:
    """Close a pool; connections that do not close in time are cut."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, *UNAVAILABLE):
        pool.terminate()


async def connect_checked(dsn: str, name: str, limits: Limits | None, **options: Any) -> Any:
    """Open a connection with these limits unless the database is held back until its check.

    A pooler that does not know the parameters of the limits gets none of them.
    """
    verify_released(dsn)
    parameters = {"application_name": name, "timezone": "UTC"}
    if limits is not None and dsn not in WITHOUT_LIMITS:
        try:
            limited = parameters | SERVER_SETTINGS | limits.server_settings()
            return await asyncpg.connect(dsn, server_settings=limited, **options)
        except asyncpg.ProtocolViolationError as exc:
            if "startup parameter" not in str(exc):
                raise
            log.warning("database.limits_refused", error=str(exc))
            WITHOUT_LIMITS.add(dsn)
    return await asyncpg.connect(dsn, server_settings=parameters, **options)


def options_for(*, pooled: bool) -> dict[str, Any]:
    """Without a cache of statements, each is sent in one piece, which any session can take."""
    options: dict[str, Any] = {"connection_class": BoundedConnection}
    return {**options, "statement_cache_size": 0} if pooled else options


async def connect(dsn: str, *, pooled: bool = False) -> Connection:
    """Open a connection outside the pool, for LISTEN or a lock that a session holds."""
    connection = await open_connection(dsn, "callgate", CONNECT_SECONDS, pooled=pooled)
    await prepare(connection)
    return connection


async def open_connection(
    dsn: str,
    name: str,
    seconds: float,
    *,
    pooled: bool = False,
    command_seconds: float = COMMAND_SECONDS,
) -> Connection:
    """Open a connection with an `application_name` within `seconds`; it is not prepared yet.

    A command that takes longer than `command_seconds` ends the connection.
    """
    connection: Connection = await connect_checked(
        dsn,
        name,
        None if pooled else SESSIONS,
        **options_for(pooled=pooled),
        timeout=seconds,
        command_timeout=command_seconds,
    )
    return connection
