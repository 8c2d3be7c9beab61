"""Keeps the memory of earlier calls fresh: reads the calls of the last day once, then the new ones."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.access.directory import AccessDirectory
from service.access.usage.callers import KEPT, CallerMemory
from service.background import BackgroundLoop
from service.store.pool import UNAVAILABLE, Pool
from service.store.usage.callers import list_calls, read_mark

EVERY_SECONDS = 0.5
LOADING_SECONDS = 0.05
OVERLAP = timedelta(seconds=10)
"""How far each reading reaches back before the last one: a transaction commits after its `now()`."""
TURNS = 10
"""Every so many turns all of that is read, by whatever transaction: a failover may set their numbers
back. Otherwise only what the last turn did not see: each call is read once, not twenty times."""


@dataclass(slots=True)
class CallerFeed:
    """Reads new calls, twice a second."""

    pool: Pool
    directory: AccessDirectory
    memory: CallerMemory
    read_at: datetime | None = None
    mark: str | None = None
    turns: int = 0

    def background(self) -> BackgroundLoop:
        return BackgroundLoop("callers", self.turn, outages=UNAVAILABLE)

    async def turn(self) -> float:
        """Read what is new, and forget what is old. Returns the seconds until the next turn."""
        if not self.directory.loaded:
            return LOADING_SECONDS
        now = self.directory.now()
        since = now - KEPT if self.read_at is None else self.read_at - OVERLAP
        mark = await read_mark(self.pool)
        seen = self.mark if self.turns % TURNS else None
        async for calls in list_calls(self.pool, since, self.memory.most, seen):
            self.memory.put(calls)
            await asyncio.sleep(0)
        self.read_at, self.memory.loaded = now, True
        self.mark, self.turns = mark, self.turns + 1
        self.memory.forget(now)
        return EVERY_SECONDS
