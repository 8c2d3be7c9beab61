"""The use cases for commands that ask no other service than PostgreSQL. aiohttp is not imported here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.admin.deciding_cases import DecidingCases
from service.serve.deciding_rooms import DecidingCommandRooms
from service.serve.stored_cases import POOL_SIZE
from service.settings import Settings
from service.store.pool import close_pool, create_pool


@asynccontextmanager
async def open_deciding_cases(settings: Settings, dsn: str) -> AsyncIterator[DecidingCases]:
    """The use cases on a pool of their own, closed on the way out."""
    pool = await create_pool(dsn, POOL_SIZE)
    try:
        rooms = DecidingCommandRooms(settings, pool)
        await rooms.read_clock()
        try:
            yield DecidingCases(settings, pool, rooms)
        finally:
            await rooms.close()
    finally:
        await close_pool(pool)
