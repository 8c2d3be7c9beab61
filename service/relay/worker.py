"""This replica as a worker of the relay: its lease, and what it may deliver while it holds it.

One row in PostgreSQL stands for all its claims, so nothing is renewed message by message. After a doubt
about its claims it becomes another worker: the claims of the former one are free at once.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import structlog

from service.background import BackgroundLoop
from service.store.bounded import at_most
from service.store.leases import LEASE_SECONDS, RENEW_SECONDS
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import workers

RENEW_WITHIN_SECONDS = 2.0

log = structlog.get_logger()


class RelayWorker:
    """The lease of one replica. `on_loss` is called when its claims do not hold any more."""

    def __init__(self, pool: Pool, on_loss: Callable[[], None]) -> None:
        self.pool = pool
        self.on_loss = on_loss
        self.id = uuid4()
        self.until = float("-inf")
        self.retired: list[UUID] = []
        self.wake = asyncio.Event()

    @property
    def holds(self) -> bool:
        """Whether its claims hold now."""
        return asyncio.get_running_loop().time() < self.until

    def background(self) -> BackgroundLoop:
        """Renews the lease."""
        return BackgroundLoop(
            "relay_worker",
            self.turn,
            interval=RENEW_SECONDS,
            wake=self.wake,
            outages=UNAVAILABLE,
        )

    def begin_anew(self) -> None:
        """Be another worker: what the former one claimed is not delivered from here any more."""
        self.retired.append(self.id)
        self.id = uuid4()
        self.until = float("-inf")
        self.on_loss()
        self.wake.set()

    async def turn(self) -> None:
        """Free the claims of former workers, then renew the lease of this one."""
        if self.until > float("-inf") and not self.holds:
            log.warning("relay.lease_lost")
            self.begin_anew()
        async with at_most(RENEW_WITHIN_SECONDS):
            while self.retired:
                await workers.retire(self.pool, self.retired[0])
                del self.retired[0]
        asked_at = asyncio.get_running_loop().time()
        worker = self.id
        async with at_most(RENEW_WITHIN_SECONDS):
            held = await workers.renew(self.pool, worker)
        if worker != self.id:
            return
        if held:
            self.until = asked_at + LEASE_SECONDS
        else:
            self.begin_anew()

    async def close(self) -> None:
        """Free all claims."""
        self.retired.append(self.id)
        self.until = float("-inf")
        async with at_most(RENEW_WITHIN_SECONDS):
            for worker in self.retired:
                await workers.retire(self.pool, worker)
