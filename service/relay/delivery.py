"""Relays a granted call's messages to the organization's own server (`forward_url`).

A message whose answer Vapi uses waits for that server's answer; all others are queued. Every
organization has limits of its own, and a share of what all may use, so that a slow or hostile server
costs only its own calls.
"""

import asyncio
import sys
from uuid import UUID

from service.relay.answers import AnswerReader
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.report import RelayReport
from service.relay.sender import Sender
from service.relay.servers import OrganizationServer
from service.relay.shares import FairShare, RelayShares
from service.relay.status import IDLE, RelayStatus

CLOSE_SECONDS = 2.0


class Relay:
    """Passes messages on to the server of their organization."""

    def __init__(
        self, sender: Sender, limits: RelayLimits, shares: RelayShares | None = None
    ) -> None:
        """Without `shares` only the limits of each organization count."""
        self.sender = sender
        self.limits = limits
        self.shares = shares or RelayShares(FairShare(sys.maxsize), FairShare(sys.maxsize))
        self.answers = AnswerReader()
        self.report = RelayReport()
        self.servers: dict[UUID, OrganizationServer] = {}

    async def ask(
        self, message: RelayMessage, *, seconds: float | None = None
    ) -> dict[str, object] | None:
        """The server's answer, or None if Vapi could not use it."""
        limit = self.limits.answer_seconds if seconds is None else seconds
        return await self.server_of(message).ask(message, limit)

    def forward(self, message: RelayMessage) -> None:
        """Pass a message on in the background, in the order of its call."""
        self.server_of(message).forward(message)

    def server_of(self, message: RelayMessage) -> OrganizationServer:
        """The limits and the state of an organization's server."""
        owner = message.organization_id
        server = self.servers.get(owner)
        if server is None:
            server = OrganizationServer(
                owner,
                self.sender,
                self.answers,
                limits=self.limits,
                shares=self.shares,
                report=self.report,
            )
            self.servers[owner] = server
        return server

    def status(self, organization_id: UUID) -> RelayStatus:
        """How the server of an organization takes its messages, at this replica."""
        server = self.servers.get(organization_id)
        return IDLE if server is None else server.status

    def failing(self) -> list[UUID]:
        """The organizations whose servers do not take their messages."""
        return [owner for owner, server in self.servers.items() if server.is_failing]

    @property
    def waiting(self) -> int:
        """Messages that wait, of all organizations."""
        return sum(server.queue.waiting for server in self.servers.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of the messages that wait or are under way."""
        return sum(server.queue.held_bytes for server in self.servers.values())

    async def close(self) -> None:
        """Wait briefly for messages under way, then drop what is left."""
        tasks = [task for server in self.servers.values() for task in server.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.servers.values():
            server.stop()
        self.report.flush()
        await self.sender.close()
        await self.answers.close()
