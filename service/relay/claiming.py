"""The loops of a replica's relay: claims that are due, servers that are parked, dead workers, bounds."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from service.background import BackgroundLoop
from service.relay.lasting import LastingMessages
from service.relay.servers import OrganizationServer
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE
from service.store.relay import messages, states, workers

EVERY_SECONDS = 1.0
CLAIM_SECONDS = 3.0
CALLS = 50
"""Calls of one organization in one turn."""
MOST_CALLS = 200
BEHIND = 20
"""Messages of one call in one turn."""
AT_ONCE = 100
"""Messages that are handed over before other tasks run."""
PROBE_SECONDS = 30.0
"""How long a probe may take, until another replica probes."""


@dataclass(slots=True)
class RelayClaims:
    """Claims what is due, every second or when woken."""

    lasting: LastingMessages
    servers: dict[UUID, OrganizationServer]
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def background(self) -> BackgroundLoop:
        """Claims every second."""
        return BackgroundLoop(
            "relay_claims", self.turn, interval=EVERY_SECONDS, wake=self.wake, outages=UNAVAILABLE
        )

    async def turn(self) -> float | None:
        """Claim what is due; at once again while there is more."""
        if self.lasting.writer.outcomes:
            self.lasting.writer.flush_soon()
        pool = self.lasting.pool
        async with at_most(CLAIM_SECONDS):
            if await workers.delete_dead(pool):
                await workers.free_orphaned(pool)
        # In the writer's turn: a server that it parks meanwhile would be resumed by the earlier list.
        async with self.lasting.writer.turn, at_most(CLAIM_SECONDS):
            self.note_parked(await states.list_parked(pool))
        if not self.lasting.lease.holds:
            return None
        async with self.lasting.writer.claiming(), at_most(CLAIM_SECONDS):
            count = await self.claim()
        return 0.05 if count >= CALLS else None

    async def claim(self) -> int:
        """Claim, and hand over to the servers; how many messages."""
        pool, worker = self.lasting.pool, self.lasting.worker
        busy = [owner for owner, one in self.servers.items() if not one.queue.has_place()]
        due = await messages.claim_due(
            pool, worker, busy=busy, calls=CALLS, most=MOST_CALLS, behind=BEHIND
        )
        probes = await messages.claim_probes(pool, worker, PROBE_SECONDS)
        given = [(one, False) for one in due] + [(one, True) for one in probes]
        for index, (message, is_probe) in enumerate(given):
            if index % AT_ONCE == 0:
                await asyncio.sleep(0)
            if worker != self.lasting.worker:
                # What was handed over is forgotten, and the claims of the rest end with the worker.
                return 0
            self.lasting.take(message, None, is_probe=is_probe)
        return len(due)

    def note_parked(self, parked: set[UUID]) -> None:
        """Learn which servers are parked, here or by another replica."""
        for owner in parked:
            server = self.lasting.find_server(owner)
            if not server.is_parked:
                server.park()
        for owner, server in self.servers.items():
            if server.is_parked and owner not in parked:
                server.resume()
