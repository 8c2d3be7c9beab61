"""The schema of the database: bringing it up to date, and refusing to run on another one."""

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.store.pool import CONNECT_SECONDS, Connection, Pool, connect

LOCK = 0x63616C6C67617465
"""The advisory lock of migrations: "callgate" in ASCII. A session holds it while it migrates."""

FIND_VERSION_TABLE = "SELECT to_regclass('callgate.alembic_version') IS NOT NULL"
FIND_REVISION = "SELECT version_num FROM callgate.alembic_version"


class SchemaError(Exception):
    """The database's schema is not the one this code was written for."""


def alembic_config() -> Config:
    """Alembic's configuration, in code: the revisions travel inside the package."""
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The revision that this code needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


def known_revisions() -> set[str]:
    return {
        revision.revision
        for revision in ScriptDirectory.from_config(alembic_config()).walk_revisions()
    }


async def migrate(dsn: str, revision: str = "head") -> None:
    """Bring the schema to `revision`. Replicas may do it at once: one works, the others wait."""
    await change(dsn, lambda config: command.upgrade(config, revision))


async def downgrade(dsn: str, revision: str) -> None:
    """Take the schema back to `revision` (`base` for nothing at all)."""
    await change(dsn, lambda config: command.downgrade(config, revision))


async def change(dsn: str, work: Callable[[Config], None]) -> None:
    """Run an Alembic command on one connection that holds the lock from first to last.

    A session lock, not one of a transaction: every revision commits by itself.
    """

    async def creator() -> Any:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)

    def run(connection: SyncConnection) -> None:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS callgate"))
        connection.commit()
        config = alembic_config()
        config.attributes["connection"] = connection
        work(config)
        connection.commit()

    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def is_empty(dsn: str) -> bool:
    """Whether nobody has ever put Callgate's schema into this database."""
    connection = await connect(dsn)
    try:
        return not await connection.fetchval(FIND_VERSION_TABLE)
    finally:
        await connection.close()


async def check_schema(database: Pool | Connection) -> None:
    """Raise `SchemaError`, with the command that mends it, unless the schema fits this code."""
    needed = await asyncio.to_thread(head)
    found = None
    if await database.fetchval(FIND_VERSION_TABLE):
        found = await database.fetchval(FIND_REVISION)
    if found == needed:
        return
    if found is None or found in known_revisions():
        state = "empty" if found is None else f"at revision {found}"
        raise SchemaError(
            f"The database is {state} and this code needs {needed}: run `callgate migrate`."
        )
    raise SchemaError(
        f"The database is at revision {found}, which is newer than this code ({needed}): "
        "install the Callgate that made it, or restore a backup from before."
    )
