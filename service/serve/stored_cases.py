"""The use cases for commands that need PostgreSQL alone: neither policies nor aiohttp are imported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.admin.stored_cases import StoredCases
from service.settings import Settings
from service.store.pool import close_pool, create_pool

POOL_SIZE = 2


@asynccontextmanager
async def open_stored_cases(settings: Settings, dsn: str) -> AsyncIterator[StoredCases]:
    """The use cases on a pool of their own, closed on the way out."""
    pool = await create_pool(dsn, POOL_SIZE)
    try:
        yield StoredCases(settings, pool)
    finally:
        await close_pool(pool)
