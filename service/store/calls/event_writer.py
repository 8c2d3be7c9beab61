"""Writes the steps of calls in batches in the background: no caller ever waits for it.

While PostgreSQL is away steps wait in memory, up to a limit, and are dropped beyond it. The call's
own row, which is never dropped, keeps what matters.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from datetime import datetime

import structlog

from service.background import BackgroundLoop
from service.domain.call_events import StepKind
from service.store.bounded import at_most
from service.store.calls.events import PendingStep, insert_steps
from service.store.pool import UNAVAILABLE, Pool

LINGER_SECONDS = 0.25
"""How long a step may wait for others to share its batch."""
BATCH = 200
LIMIT = 10_000
WRITE_SECONDS = 3.0
REST_SECONDS = 2.0

log = structlog.get_logger()


class CallEventWriter:
    """One task a replica, one connection at a time. `dropped` counts what was never written."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.waiting: list[PendingStep] = []
        self.arrived = asyncio.Event()
        self.dropped = 0
        self.full = False

    def record(self, vapi_call_id: str, kind: StepKind, detail: Mapping[str, object]) -> None:
        """Record a step as of now."""
        self.record_sent(vapi_call_id, kind, detail, None)

    def record_sent(
        self,
        vapi_call_id: str,
        kind: StepKind,
        detail: Mapping[str, object],
        sent_at: datetime | None,
    ) -> None:
        """Record a step; `sent_at` is Vapi's own instant of it. Never waits, never fails."""
        if len(self.waiting) >= LIMIT:
            self.drop(1)
            return
        self.waiting.append(PendingStep(vapi_call_id, sent_at, time.monotonic(), kind, detail))
        self.arrived.set()

    def drop(self, count: int) -> None:
        """Count dropped steps; logged once until PostgreSQL accepts steps again."""
        self.dropped += count
        if not self.full:
            self.full = True
            log.warning("call_events.dropped", waiting=len(self.waiting))

    def background(self) -> list[BackgroundLoop]:
        """Writes steps as they arrive."""
        return [
            BackgroundLoop(
                "call_events",
                self.write_arrived,
                interval=math.inf,
                wake=self.arrived,
                outages=UNAVAILABLE,
                first_pause=REST_SECONDS,
            ),
        ]

    async def write_arrived(self) -> None:
        """Write the waiting steps, with those that arrive in the next moment."""
        if self.waiting:
            await asyncio.sleep(LINGER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write the waiting steps. Raises one of `UNAVAILABLE` while PostgreSQL is away."""
        while self.waiting:
            batch = self.waiting[:BATCH]
            try:
                async with at_most(WRITE_SECONDS):
                    await insert_steps(self.pool, batch, time.monotonic())
                self.full = False
            except UNAVAILABLE:
                raise
            except Exception:
                # A bug of ours must not block the steps after it.
                log.exception("call_events.refused")
                self.dropped += len(batch)
            del self.waiting[: len(batch)]

    async def close(self) -> None:
        """Write the remaining steps, if PostgreSQL accepts them."""
        with contextlib.suppress(Exception):
            await self.flush()
