"""Poolers in transaction mode, such as PgBouncer: recognized at the start, and what works through one.

Such a pooler gives each transaction any of its sessions. Through it, notifications, locks of a session
and named prepared statements are lost; single statements and transactions work.

One that balances, such as Pgpool-II, sends reads to standbys: they miss changes that were announced
already. Nothing works through it.
"""

import asyncio
from functools import partial

from service.store.pool import CONNECT_SECONDS, Connection, connect, open_connection

ROUNDS = 3
SECONDS = 3.0

SESSIONS_ASKED = 6
"""A balancer chooses each session's server by chance."""

GET_SESSION = "SELECT pg_backend_pid()"
GET_WRITING_SESSION = "SELECT pg_backend_pid() FROM clock_timestamp()"
"""A volatile function makes balancers take it for a write."""

IS_SAME_DATABASE = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND datname = current_database())
"""

NEEDS_DIRECT = (
    "{name} leads to a connection pooler in transaction mode, which loses notifications and locks. Set "
    "CALLGATE_DIRECT_DATABASE_URL to PostgreSQL's own address, or to the pooler's session mode."
)
IS_NOT_DIRECT = (
    "{name} leads to a connection pooler in transaction mode: set it to PostgreSQL's own address, or to "
    "the pooler's session mode."
)
SPLITS_READS = (
    "{name} leads to a pooler that sends reads to other servers than writes (Pgpool-II with "
    "load_balance_mode on), so that changes are missed: set it to PostgreSQL's own address, or turn "
    "that off."
)
OTHER_DATABASE = (
    "CALLGATE_DIRECT_DATABASE_URL and DATABASE_URL lead to different databases: correct one of "
    "them."
)


class PoolingError(Exception):
    """An address leads to a pooler where PostgreSQL itself is needed; the message says what to do."""


open_session = partial(open_connection, name="callgate", seconds=CONNECT_SECONDS, pooled=True)
"""Opens a connection for statements that bring no JSON: it needs no preparation."""


async def is_pooled(dsn: str) -> bool:
    """Whether the address leads to a pooler in transaction mode.

    While one connection is in a transaction, statements of another one are observed to use that one's
    session, or to change theirs. Raises one of `UNAVAILABLE`.
    """
    first = await open_session(dsn)
    try:
        second = await open_session(dsn)
        try:
            for _ in range(ROUNDS):
                if await changes_session(first, second):
                    return True
            return False
        finally:
            second.terminate()
    finally:
        first.terminate()


async def changes_session(first: Connection, second: Connection) -> bool:
    """One observation. A pooler with a single session lets the first wait for the second."""
    before = await first.fetchval(GET_SESSION)
    async with second.transaction():
        if await second.fetchval(GET_SESSION) == before:
            return True
        try:
            async with asyncio.timeout(SECONDS):
                return bool(await first.fetchval(GET_SESSION) != before)
        except TimeoutError:
            return True


async def splits_reads(dsn: str) -> bool:
    """Whether a read and a write of one transaction lead to different sessions."""

    async def ask() -> bool:
        connection = await open_session(dsn)
        try:
            async with connection.transaction():
                reading = await connection.fetchval(GET_SESSION)
                return bool(await connection.fetchval(GET_WRITING_SESSION) != reading)
        finally:
            connection.terminate()

    return any(await asyncio.gather(*(ask() for _ in range(SESSIONS_ASKED))))


async def verify_unsplit(name: str, dsn: str) -> None:
    """Raise `PoolingError` if the address in the setting `name` leads to a pooler that balances."""
    if await splits_reads(dsn):
        raise PoolingError(SPLITS_READS.format(name=name))


async def verify_direct(name: str, dsn: str, *, with_pooler: bool) -> None:
    """Raise `PoolingError` if the address in the setting `name` leads to a pooler in transaction mode.

    Or if it balances. `with_pooler`: another setting holds the address of the pooler.
    """
    if await is_pooled(dsn):
        raise PoolingError((IS_NOT_DIRECT if with_pooler else NEEDS_DIRECT).format(name=name))
    await verify_unsplit(name, dsn)


async def verify_same(dsn: str, direct: str) -> None:
    """Raise `PoolingError` unless both addresses lead to the same database."""
    pooled = await open_session(dsn)
    try:
        async with pooled.transaction():
            session = await pooled.fetchval(GET_SESSION)
            connection = await connect(direct)
            try:
                if not await connection.fetchval(IS_SAME_DATABASE, session):
                    raise PoolingError(OTHER_DATABASE)
            finally:
                await connection.close()
    finally:
        pooled.terminate()
