"""The database at the start: reachable, and with the schema of this version."""

import asyncio

from service.store.pool import UNAVAILABLE, create_pool
from service.store.schema import SchemaError, check_schema, is_empty, migrate

START_SECONDS = 30.0
AGAIN_SECONDS = 0.5


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""


async def prepare_database(dsn: str, *, own: bool) -> None:
    """Wait for PostgreSQL and check its schema.

    The embedded server (`own`) and an empty database are migrated; any other database with another
    schema is refused, with the command that migrates it. Raises `StartError`.
    """
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            await check_database(dsn, own=own)
        except SchemaError as exc:
            raise StartError(str(exc)) from exc
        except UNAVAILABLE as exc:
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(
                    f"PostgreSQL does not answer ({type(exc).__name__}): check DATABASE_URL."
                ) from None
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return


async def check_database(dsn: str, *, own: bool) -> None:
    """One attempt. Raises `SchemaError` or one of `UNAVAILABLE`."""
    if own or await is_empty(dsn):
        await migrate(dsn)
    pool = await create_pool(dsn, 2)
    try:
        await check_schema(pool)
    finally:
        await pool.close()
