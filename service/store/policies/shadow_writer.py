"""Writes verdicts of policies in shadow in batches in the background: no decision ever waits for it.

While PostgreSQL is away, verdicts wait in memory up to a limit, and are dropped beyond it.
"""

import asyncio
import contextlib
import math

import structlog

from service.background import BackgroundLoop
from service.domain.policies.shadow import ShadowVerdict
from service.store.bounded import at_most
from service.store.policies.shadow_verdicts import insert_verdicts
from service.store.pool import UNAVAILABLE, Pool

LINGER_SECONDS = 0.25
"""How long a verdict may wait for others to share its batch."""
BATCH = 500
LIMIT = 10_000
WRITE_SECONDS = 3.0
REST_SECONDS = 2.0

log = structlog.get_logger()


class ShadowWriter:
    """One task a replica. `dropped` counts what was never written."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.waiting: list[ShadowVerdict] = []
        self.arrived = asyncio.Event()
        self.dropped = 0

    def record(self, verdict: ShadowVerdict) -> None:
        """Keep a verdict to be written soon. Never waits, never fails."""
        if len(self.waiting) >= LIMIT:
            self.dropped += 1
            return
        self.waiting.append(verdict)
        self.arrived.set()

    def background(self) -> BackgroundLoop:
        """Writes verdicts as they arrive."""
        return BackgroundLoop(
            "shadow_verdicts",
            self.write_arrived,
            interval=math.inf,
            wake=self.arrived,
            outages=UNAVAILABLE,
            first_pause=REST_SECONDS,
        )

    async def write_arrived(self) -> None:
        """Write the waiting verdicts, with those that arrive in the next moment."""
        if self.waiting:
            await asyncio.sleep(LINGER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write the waiting verdicts. Raises one of `UNAVAILABLE` while PostgreSQL is away."""
        while self.waiting:
            batch = self.waiting[:BATCH]
            try:
                async with at_most(WRITE_SECONDS):
                    await insert_verdicts(self.pool, batch)
            except UNAVAILABLE:
                raise
            except Exception:
                # An organization that was removed meanwhile, or a bug of ours: the next ones go on.
                log.exception("shadow_verdicts.refused")
                self.dropped += len(batch)
            del self.waiting[: len(batch)]

    async def close(self) -> None:
        """Write the remaining verdicts, if PostgreSQL accepts them."""
        with contextlib.suppress(Exception):
            await self.flush()
