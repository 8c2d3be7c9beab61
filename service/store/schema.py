"""The schema of the database: migrations, and the check that it fits this code.

Alembic and SQLAlchemy are imported when there is something to migrate: they take a third of a start.
"""

# ruff: noqa: PLC0415
import asyncio
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import asyncpg

from service.store.limits import MIGRATIONS
from service.store.pool import CONNECT_SECONDS, Connection, Pool, connect

if TYPE_CHECKING:
    from alembic.config import Config

LOCK = 0x63616C6C67617465
"""The advisory lock of migrations: "callgate" in ASCII. A session holds it while it migrates."""

LOCK_AGAIN_SECONDS = 0.2
OLDEST_POSTGRES = 14

FIND_POSTGRES_VERSION = "SELECT current_setting('server_version_num')::integer / 10000"
FIND_SCHEMA = "SELECT to_regnamespace('callgate') IS NOT NULL"
FIND_VERSION_TABLE = "SELECT to_regclass('callgate.alembic_version') IS NOT NULL"
FIND_REVISION = "SELECT max(version_num) FROM callgate.alembic_version"
CREATE_SCHEMA = "CREATE SCHEMA callgate"
TAKE_LOCK = "SELECT pg_try_advisory_lock(:key)"
SET_LIMIT = "SELECT set_config(:name, :value, false)"

REVISION = re.compile(r'^revision = "(\w+)"\ndown_revision = (?:"(\w+)"|None)$', re.MULTILINE)

REMEDIES = {
    "42501": ". Set CALLGATE_MIGRATION_DATABASE_URL to the owner's address.",
    "55P03": (
        f". Another session has locked a table for over {MIGRATIONS.lock_seconds:.0f} s: end it "
        "(see pg_stat_activity) and migrate again."
    ),
}
"""What to do, by SQLSTATE: `insufficient_privilege` and `lock_not_available`."""

LACKS_PRIVILEGES = (
    "The role in DATABASE_URL lacks privileges: set CALLGATE_MIGRATION_DATABASE_URL to the owner's "
    "address and run `callgate migrate`, which grants them."
)


class SchemaError(Exception):
    """The database's schema does not fit this code, or cannot be migrated to fit."""


def alembic_config() -> "Config":
    """Alembic's configuration, in code: the revisions travel inside the package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def revisions() -> tuple[str, ...]:
    """All revisions that this code knows, newest first: the first is the one it needs."""
    after: dict[str | None, str] = {}
    for file in files("migrations").joinpath("versions").iterdir():
        if file.name.endswith(".py") and (found := REVISION.search(file.read_text("utf-8"))):
            after[found[2]] = found[1]
    known: list[str] = []
    while (newer := after.get(known[-1] if known else None)) is not None:
        known.append(newer)
    return tuple(reversed(known))


async def migrate(dsn: str, revision: str = "head") -> None:
    """Bring the schema to `revision`. Replicas may call it at once: one migrates, the others wait.

    Raises `SchemaError` if the database is ahead of this code or refuses a statement.
    """
    from alembic import command

    await change(dsn, lambda config: command.upgrade(config, revision))


async def downgrade(dsn: str, revision: str) -> None:
    """Downgrade the schema to `revision` (`base` for an empty database)."""
    from alembic import command

    await change(dsn, lambda config: command.downgrade(config, revision))


async def change(dsn: str, work: Callable[["Config"], None]) -> None:
    """Run an Alembic command on one connection that holds the lock throughout.

    It is a lock of the session, not of a transaction: every revision commits separately.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def creator() -> Any:
        return await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, server_settings={"application_name": "callgate migrate"}
        )

    def run(connection: Any) -> None:
        for name, value in MIGRATIONS.server_settings().items():
            connection.execute(text(SET_LIMIT), {"name": name, "value": value})
        check_known(
            connection.scalar(text(FIND_POSTGRES_VERSION)),
            connection.scalar(text(FIND_REVISION))
            if connection.scalar(text(FIND_VERSION_TABLE))
            else None,
        )
        # Checked first: IF NOT EXISTS needs the privilege to create even if nothing is created.
        if not connection.scalar(text(FIND_SCHEMA)):
            connection.execute(text(CREATE_SCHEMA))
        connection.commit()
        config = alembic_config()
        config.attributes["connection"] = connection
        work(config)
        connection.commit()

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await take_lock(connection)
            await connection.run_sync(run)
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise ConnectionError(
                "The connection to PostgreSQL was lost during a migration."
            ) from exc
        remedy = REMEDIES.get(str(getattr(exc.orig, "sqlstate", None)), "")
        raise SchemaError(f"The database refused a migration: {exc.orig}{remedy}") from exc
    finally:
        await engine.dispose()


async def take_lock(connection: Any) -> None:
    """Wait until no other session migrates.

    CREATE INDEX CONCURRENTLY waits for every session that is inside a statement: one that waited there
    for the lock would make a deadlock.
    """
    from sqlalchemy import text

    while not await connection.scalar(text(TAKE_LOCK), {"key": LOCK}):
        await connection.rollback()
        await asyncio.sleep(LOCK_AGAIN_SECONDS)


async def is_empty(dsn: str) -> bool:
    """Whether the database does not have Callgate's schema yet."""
    connection = await connect(dsn)
    try:
        return not await connection.fetchval(FIND_VERSION_TABLE)
    except asyncpg.InsufficientPrivilegeError as exc:
        raise SchemaError(f"{LACKS_PRIVILEGES} ({exc})") from exc
    finally:
        await connection.close()


async def is_current(dsn: str) -> bool:
    """Whether the schema is that of this code, so that there is nothing to migrate."""
    connection = await connect(dsn)
    try:
        exists = await connection.fetchval(FIND_VERSION_TABLE)
        return bool(exists) and await connection.fetchval(FIND_REVISION) == revisions()[0]
    finally:
        await connection.close()


async def check_schema(database: Pool | Connection) -> None:
    """Raise `SchemaError`, with the command that fixes it, unless the schema fits this code."""
    needed = (await asyncio.to_thread(revisions))[0]
    found = None
    try:
        if await database.fetchval(FIND_VERSION_TABLE):
            found = await database.fetchval(FIND_REVISION)
    except asyncpg.InsufficientPrivilegeError as exc:
        raise SchemaError(f"{LACKS_PRIVILEGES} ({exc})") from exc
    check_known(await database.fetchval(FIND_POSTGRES_VERSION), found)
    if found != needed:
        state = "empty" if found is None else f"at revision {found}"
        raise SchemaError(
            f"The database is {state} and this code needs {needed}: run `callgate migrate`."
        )


def check_known(version: int | None, found: str | None) -> None:
    """Reject a PostgreSQL that is too old, and a schema that this code does not know."""
    if version is not None and version < OLDEST_POSTGRES:
        raise SchemaError(f"This is PostgreSQL {version}; Callgate needs {OLDEST_POSTGRES}.")
    if found is not None and found not in revisions():
        raise SchemaError(
            f"The database is at revision {found}, which is newer than this code "
            f"({revisions()[0]}): run the newer Callgate, or restore a backup from before the upgrade."
        )
