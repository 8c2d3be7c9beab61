"""The loop of the sweeps: one over all numbers at every interval, by one replica at a time.

It runs beside the loop of due numbers, so that a change does not wait for a sweep to end.
"""

import asyncio
import contextlib
import random

from service.background import BackgroundLoop
from service.domain.errors import CallgateError
from service.domain.sweeps import SweepRequest
from service.reconcile.key_guard import KeyGuard
from service.reconcile.sweep import Sweeper
from service.store.leases import holding
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import state

POLL_SECONDS = 10.0
SHORTEST_SECONDS = 0.05
SPREAD = 0.1
"""Each sweep is up to this share of the interval early or late, so that replicas spread."""


class SweepLoop:
    """Sweeps every `interval` seconds; 0: no sweeps by the clock."""

    def __init__(self, pool: Pool, sweeper: Sweeper, key: KeyGuard, interval: float) -> None:
        self.pool = pool
        self.sweeper = sweeper
        self.key = key
        self.interval = interval
        self.woken = asyncio.Event()

    def background(self) -> list[BackgroundLoop]:
        """A sweep whenever one is due; no loop with an interval of 0."""
        if not self.interval:
            return []
        return [BackgroundLoop("sweeps", self.turn, wake=self.woken, outages=UNAVAILABLE)]

    async def turn(self) -> float:
        """Sweep if it is due; the seconds until another sweep may be due."""
        pause = await self.key.seconds_closed()
        if not pause:
            began = asyncio.get_running_loop().time()
            claim = await state.claim_sweep(self.pool)
            if claim is not None:
                await self.sweep(claim, began)
            pause = await state.seconds_to_sweep(self.pool)
        return min(POLL_SECONDS, max(SHORTEST_SECONDS, pause))

    async def sweep(self, claim: int, claimed_at: float) -> None:
        """Run one sweep under a claim, which is released however the sweep ends."""

        async def alive() -> bool:
            return await state.extend_lease(self.pool, claim)

        try:
            async with holding(alive, claimed_at):
                await self.sweeper.sweep(SweepRequest(alive=alive))
        except CallgateError:
            pass  # logged, and stored with the sweep
        finally:
            spread = 1 + random.uniform(-SPREAD, SPREAD)  # noqa: S311
            with contextlib.suppress(*UNAVAILABLE):
                await state.end_sweep(self.pool, claim, self.interval * spread)
