"""Keeps the memory of earlier calls fresh: reads the calls of the last day once, then the new ones."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.access.directory import AccessDirectory
from service.access.usage.callers import KEPT, CallerMemory
from service.background import BackgroundLoop
from service.store.pool import UNAVAILABLE, Pool
from service.store.usage.callers import list_calls

EVERY_SECONDS = 0.5
LOADING_SECONDS = 0.05
OVERLAP = timedelta(seconds=10)
"""How far each reading reaches back before the last one: a transaction commits after its `now()`."""


@dataclass(slots=True)
class CallerFeed:
    """Reads new calls, twice a second."""

    pool: Pool
    directory: AccessDirectory
    memory: CallerMemory
    read_at: datetime | None = None

    def background(self) -> BackgroundLoop:
        return BackgroundLoop("callers", self.turn, outages=UNAVAILABLE)

    async def turn(self) -> float:
        """Read what is new, and forget what is old. Returns the seconds until the next turn."""
        if not self.directory.loaded:
            return LOADING_SECONDS
        now = self.directory.now()
        since = now - KEPT if self.read_at is None else self.read_at - OVERLAP
        async for calls in list_calls(self.pool, since, self.memory.most):
            self.memory.put(calls)
            await asyncio.sleep(0)
        self.read_at, self.memory.loaded = now, True
        self.memory.forget(now)
        return EVERY_SECONDS
