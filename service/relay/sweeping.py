"""Sweeps of the relay's tables: orphaned claims, messages past their bounds, old seals."""

import time
from dataclasses import dataclass

from service.background import BackgroundLoop
from service.relay.report import RelayReport
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import bounds, secrets, workers
from service.store.vault import Vault

EVERY_SECONDS = 10.0
SWEEP_SECONDS = 9.0
RESEAL_SECONDS = 86_400.0


@dataclass(slots=True)
class RelaySweep:
    """Bounds what is kept. Every replica sweeps: what one has done, the others do not find."""

    pool: Pool
    vault: Vault
    report: RelayReport
    most_messages: int
    most_bytes: int
    waiting: int = 0
    """Lasting messages that wait in PostgreSQL, of all organizations, as of the last sweep."""
    resealed_at: float = float("-inf")

    def background(self) -> BackgroundLoop:
        """Sweeps every ten seconds."""
        return BackgroundLoop("relay_sweep", self.turn, interval=EVERY_SECONDS, outages=UNAVAILABLE)

    async def turn(self) -> None:
        """One sweep."""
        async with at_most(SWEEP_SECONDS):
            await workers.free_orphaned(self.pool)
            while count := await bounds.expire(self.pool):
                self.report.note_expired(count)
            await self.drop_surplus()
        if time.monotonic() - self.resealed_at >= RESEAL_SECONDS:
            await secrets.reseal(self.pool, self.vault)
            self.resealed_at = time.monotonic()

    async def drop_surplus(self) -> None:
        """Count what waits, and drop what is too much."""
        counted = await bounds.count_waiting(self.pool)
        self.waiting = sum(messages for messages, _ in counted.values())
        for owner, (messages, size) in counted.items():
            if messages > self.most_messages or size > self.most_bytes:
                count = await bounds.drop_surplus(
                    self.pool, owner, self.most_messages, self.most_bytes
                )
                if count:
                    self.report.note_surplus(owner, count)
