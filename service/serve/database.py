"""The database at the start: reachable, with the schema of this version, and of the right mode."""

import asyncio
from dataclasses import dataclass

import structlog

from service.settings import Settings
from service.store.failures import UNUSABLE, describe_away, is_unknown_parameter
from service.store.installation import Mode, WrongModeError, claim_for
from service.store.pool import UNAVAILABLE, create_pool
from service.store.pooling import PoolingError, verify_direct, verify_same, verify_unsplit
from service.store.roles import app_dsn, create_app_role, grant
from service.store.schema import SchemaError, check_schema, is_current, is_empty, migrate

START_SECONDS = 30.0
AGAIN_SECONDS = 0.5
TELL_SECONDS = 5.0
"""How often the log says what a start waits for; the first time at once."""

log = structlog.get_logger()


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""


class DatabaseAwayError(StartError):
    """PostgreSQL does not answer."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the service works (`dsn`), and where its owner migrates it.

    `owner` is "" where only `dsn` is known. `embedded`: the server is this process's own. `direct` is
    an address for sessions, where `dsn` leads to a pooler.
    """

    dsn: str
    owner: str
    embedded: bool
    direct: str = ""

    @property
    def session_dsn(self) -> str:
        """The address of PostgreSQL itself."""
        return self.direct or self.dsn

    @classmethod
    def of_settings(cls, settings: Settings) -> "Database":
        """A server of the operator's."""
        owner = settings.callgate_migration_database_url.get_secret_value()
        direct = settings.callgate_direct_database_url.get_secret_value()
        return cls(settings.database_url.get_secret_value(), owner, embedded=False, direct=direct)

    @classmethod
    def of_embedded(cls, owner: str) -> "Database":
        """The embedded server, from its owner's DSN."""
        return cls(app_dsn(owner), owner, embedded=True)


async def prepare_database(database: Database, mode: Mode, seconds: float = START_SECONDS) -> None:
    """Wait for PostgreSQL, check its schema and that it belongs to `mode`.

    The embedded server and an empty database are migrated; any other database with another schema is
    refused, with the command that migrates it. Raises `StartError`; if PostgreSQL does not answer for
    so many seconds, `DatabaseAwayError`.
    """
    clock = asyncio.get_running_loop().time
    deadline, told_at = clock() + seconds, float("-inf")
    while True:
        try:
            await check_database(database, mode)
        except (SchemaError, WrongModeError, PoolingError) as exc:
            raise StartError(str(exc)) from exc
        except UNUSABLE as exc:
            raise StartError(f"PostgreSQL cannot be used: {exc}. Check DATABASE_URL.") from None
        except UNAVAILABLE as exc:
            if clock() > deadline:
                raise DatabaseAwayError(describe_away(exc)) from None
            if clock() - told_at > TELL_SECONDS:
                told_at = clock()
                left = round(deadline - told_at)
                log.warning("service.waiting_for_database", why=describe_away(exc), seconds=left)
            await asyncio.sleep(AGAIN_SECONDS)
        except Exception as exc:
            if is_unknown_parameter(exc):
                raise StartError(describe_away(exc)) from None
            raise
        else:
            return


async def check_database(database: Database, mode: Mode) -> None:
    """One attempt. Raises `SchemaError`, `WrongModeError`, `PoolingError` or one of `UNAVAILABLE`."""
    await check_addresses(database)
    owner = database.owner or database.session_dsn
    if not await is_current(owner) if database.embedded else await is_empty(owner):
        await migrate(owner)
    await grant_privileges(database)
    pool = await create_pool(database.session_dsn, 2)
    try:
        await check_schema(pool)
        await claim_for(pool, mode)
    finally:
        await pool.close()


async def check_addresses(database: Database) -> None:
    """Raise `PoolingError` unless sessions lead to PostgreSQL itself, and all to one database."""
    if database.embedded:
        return
    if database.direct:
        await verify_direct("CALLGATE_DIRECT_DATABASE_URL", database.direct, with_pooler=True)
        await verify_same(database.dsn, database.direct)
        await verify_unsplit("DATABASE_URL", database.dsn)
    else:
        await verify_direct("DATABASE_URL", database.dsn, with_pooler=False)
    if database.owner:
        await verify_direct("CALLGATE_MIGRATION_DATABASE_URL", database.owner, with_pooler=True)


async def grant_privileges(database: Database) -> None:
    """Give the service's role what it needs, where the owner is known."""
    if database.embedded:
        await create_app_role(database.owner)
    elif database.owner:
        await grant(database.owner, database.session_dsn)
