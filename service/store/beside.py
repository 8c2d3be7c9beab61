"""Writing beside what matters: items are written in batches, soon, and nothing ever waits for it.

While PostgreSQL is away items wait in memory, up to a limit, and are dropped beyond it.
"""

import asyncio
import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog

from service.background import BackgroundLoop
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool

LINGER_SECONDS = 0.25
"""How long an item may wait for others to share its batch."""
LIMIT = 10_000
WRITE_SECONDS = 3.0
REST_SECONDS = 2.0

Item = TypeVar("Item")

log = structlog.get_logger()


class WriterBeside(ABC, Generic[Item]):
    """One task a replica, one connection at a time. `dropped` counts what was never written.

    A subclass names itself, for the log and the loop, and writes a batch.
    """

    name: str
    batch: int

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.waiting: list[Item] = []
        self.arrived = asyncio.Event()
        self.dropped = 0
        self.full = False

    @abstractmethod
    async def write(self, items: Sequence[Item]) -> None:
        """Write a batch in one statement."""

    def keep(self, item: Item) -> None:
        """Keep an item to be written soon. Never waits, never fails."""
        if len(self.waiting) >= LIMIT:
            self.drop(1)
            return
        self.waiting.append(item)
        self.arrived.set()

    def drop(self, count: int) -> None:
        """Count dropped items; logged once until PostgreSQL accepts items again."""
        self.dropped += count
        if not self.full:
            self.full = True
            log.warning("rows.dropped", kind=self.name, waiting=len(self.waiting))

    def background(self) -> BackgroundLoop:
        """Writes items as they arrive."""
        return BackgroundLoop(
            self.name,
            self.write_arrived,
            interval=math.inf,
            wake=self.arrived,
            outages=UNAVAILABLE,
            first_pause=REST_SECONDS,
        )

    async def write_arrived(self) -> None:
        """Write the waiting items, with those that arrive in the next moment."""
        if self.waiting:
            await asyncio.sleep(LINGER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write the waiting items. Raises one of `UNAVAILABLE` while PostgreSQL is away."""
        while self.waiting:
            batch = self.waiting[: self.batch]
            try:
                async with at_most(WRITE_SECONDS):
                    await self.write(batch)
                self.full = False
            except UNAVAILABLE:
                raise
            except Exception:
                # A value that PostgreSQL refuses, or a bug of ours, must not block what comes after.
                log.exception("rows.refused", kind=self.name)
                self.dropped += len(batch)
            del self.waiting[: len(batch)]

    async def close(self) -> None:
        """Write the remaining items, if PostgreSQL accepts them."""
        with contextlib.suppress(Exception):
            await self.flush()
