"""Keeps the slots of limits in memory fresh."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from service.access.limits.memory import LimitMemory
from service.background import BackgroundLoop
from service.store.bounded import at_most
from service.store.calls.call_store import CallStore
from service.store.pool import UNAVAILABLE

EVERY_SECONDS = 1.0
READ_SECONDS = 2.0
REFRESH_SECONDS = 0.3
"""How long a call that could not be counted waits for a reading, and how old one may be to do."""
MOST_READINGS = 3
REST_SECONDS = 2.0
"""For so long after a failed reading no call waits for one."""


@dataclass(slots=True)
class LimitFeed:
    """Reads the slots in use and the replicas alive, every second. `find_me`: this one among them."""

    calls: CallStore
    memory: LimitMemory
    find_me: Callable[[], UUID | None] = lambda: None
    read_at: float = float("-inf")
    failed_at: float = float("-inf")
    refreshing: asyncio.Task[None] | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether PostgreSQL answered a moment ago."""
        return time.monotonic() - self.read_at < 2 * REFRESH_SECONDS

    def background(self) -> BackgroundLoop:
        return BackgroundLoop("limits", self.turn, interval=EVERY_SECONDS, outages=UNAVAILABLE)

    async def turn(self) -> None:
        """Read once. Raises one of `UNAVAILABLE`."""
        await self.read(READ_SECONDS)

    async def refresh(self) -> None:
        """Bring memory up to date for a call that could not be counted, if PostgreSQL answers at once:
        it may be slow or locked for one organization only."""
        now = time.monotonic()
        if now - self.read_at < REFRESH_SECONDS or now - self.failed_at < REST_SECONDS:
            return
        if self.refreshing is None or self.refreshing.done():
            self.refreshing = asyncio.create_task(self.try_to_read())
        await asyncio.wait({self.refreshing})

    async def try_to_read(self) -> None:
        try:
            await self.read(REFRESH_SECONDS)
        except UNAVAILABLE:
            self.failed_at = time.monotonic()

    async def read(self, seconds: float) -> None:
        """Read within so many seconds. Raises one of `UNAVAILABLE`.

        A reading may have a call that began or ended here while it was on its way, or may lack it: it is
        taken, and another one tells.
        """
        async with at_most(seconds):
            for _ in range(MOST_READINGS):
                changes = self.memory.changes
                await self.read_once()
                if self.memory.changes == changes:
                    return

    async def read_once(self) -> None:
        began, noted, me = time.monotonic(), self.memory.noted(), self.find_me()
        reading = await self.calls.read_slots(list(noted))
        if began > self.read_at:  # another reading that began later may have been faster
            self.memory.put(reading, noted, me)
            self.read_at = began
