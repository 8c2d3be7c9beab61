"""Relays a granted call's messages to the organization's own server (`forward_url`).

A message whose answer Vapi uses waits for that server's answer; lasting ones are kept first, others are
queued in memory. Every organization has limits of its own, and a share of what all may use, so that a
slow or hostile server costs only its own calls.
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from service.background import BackgroundLoop
from service.domain.relay.messages import KeptMessage
from service.relay.answers import AnswerReader, RelayAnswer
from service.relay.claiming import RelayClaims
from service.relay.lasting import LastingMessages
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.report import RelayReport
from service.relay.sender import Sender
from service.relay.servers import DeliveryFates, OrganizationServer
from service.relay.shares import FairShare, RelayShares
from service.relay.sweeping import RelaySweep
from service.relay.targets import RelayTargets
from service.store.pool import UNAVAILABLE

CLOSE_SECONDS = 2.0


class RelayServers:
    """The servers of all organizations, each made with its first message."""

    def __init__(
        self,
        sender: Sender,
        targets: RelayTargets,
        limits: RelayLimits,
        shares: RelayShares | None = None,
    ) -> None:
        """Without `shares` only the limits of each organization count."""
        self.sender = sender
        self.targets = targets
        self.limits = limits
        self.shares = shares or RelayShares(FairShare(sys.maxsize), FairShare(sys.maxsize))
        self.fates = DeliveryFates()
        self.answers = AnswerReader()
        self.report = RelayReport()
        self.servers: dict[UUID, OrganizationServer] = {}

    async def ask(self, message: RelayMessage, seconds: float) -> RelayAnswer | None:
        """The server's answer as it came, or None if there is none in time."""
        return await self.find(message.organization_id).ask(message, seconds)

    async def ask_for_object(
        self, message: RelayMessage, seconds: float
    ) -> dict[str, object] | None:
        """The JSON object that the server answered, or None if there is none that Vapi could use."""
        return await self.find(message.organization_id).ask_for_object(message, seconds)

    def forward(self, message: RelayMessage) -> None:
        """Pass a message on that does not last, in the background, in the order of its call."""
        self.find(message.organization_id).forward(message)

    def find(self, owner: UUID) -> OrganizationServer:
        """The limits and the state of an organization's server."""
        server = self.servers.get(owner)
        if server is None:
            server = OrganizationServer(
                owner,
                self.sender,
                self.answers,
                self.targets,
                self.fates,
                limits=self.limits,
                shares=self.shares,
                report=self.report,
            )
            self.servers[owner] = server
        return server

    def forget_claims(self) -> None:
        """Keep no lasting message in memory: the claims on them do not hold any more."""
        for server in self.servers.values():
            server.queue.give_up()

    def failing(self) -> list[UUID]:
        """The organizations whose servers do not take their messages."""
        return [owner for owner, server in self.servers.items() if server.is_failing]

    @property
    def waiting(self) -> int:
        """Messages that wait in memory, of all organizations."""
        return sum(server.queue.waiting for server in self.servers.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of the messages that wait in memory or are under way."""
        return sum(server.queue.held_bytes for server in self.servers.values())

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait at most `seconds` for messages under way, then drop what is left and does not last."""
        self.forget_claims()
        tasks = [task for server in self.servers.values() for task in server.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.servers.values():
            server.stop()
        self.report.flush()
        await self.sender.close()
        await self.answers.close()


@dataclass(frozen=True, slots=True)
class Relay:
    """The relay of one replica."""

    servers: RelayServers
    lasting: LastingMessages
    claims: RelayClaims
    sweep: RelaySweep

    def background(self) -> list[BackgroundLoop]:
        """The loops of the relay."""
        return [
            self.lasting.lease.background(),
            self.claims.background(),
            self.lasting.spool.background(),
            self.sweep.background(),
        ]

    async def keep(self, message: KeptMessage) -> None:
        """Keep a lasting message; it is delivered in the background, in the order of its call.

        Raises `RelaySpoolFullError`.
        """
        await self.lasting.keep(message)

    async def close(self) -> None:
        """Finish what is under way, free all claims, close files and connections."""
        await self.servers.close()
        await self.lasting.writer.drain(CLOSE_SECONDS)
        with suppress(*UNAVAILABLE):
            await self.lasting.lease.close()
        self.lasting.spool.close()
