"""Lasting messages: kept before they are acknowledged, claimed, delivered, given back if that fails."""

import random
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import structlog

from service.domain.relay.messages import CallLine, ClaimedMessage, KeptMessage
from service.relay.failures import describe_failure
from service.relay.queues import RelayMessage
from service.relay.servers import DeliveryFates, OrganizationServer
from service.relay.worker import RelayWorker
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import messages
from service.store.relay.messages import ReturnedCall
from service.store.relay.spool import RelaySpool
from service.store.relay.writer import MessagesUnavailableError, RelayWriter

RECORD_SECONDS = 2.0
LOAD_SECONDS = 3.0
BACKOFF_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""The pause after each attempt; the last one goes on."""
JITTER = 0.2

log = structlog.get_logger()

FindServer = Callable[[UUID], OrganizationServer]


def backoff(attempts: int) -> float:
    """Seconds until the next attempt, after so many."""
    pause = BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1]
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


class LastingMessages(DeliveryFates):
    """Keeps lasting messages, and knows what this replica has claimed of them.

    `forget` is called when its claims do not hold any more.
    """

    def __init__(
        self, pool: Pool, spool: RelaySpool, find_server: FindServer, forget: Callable[[], None]
    ) -> None:
        self.pool = pool
        self.spool = spool
        self.find_server = find_server
        self.lease = RelayWorker(pool, forget)
        self.writer = RelayWriter(pool, self)
        self.returning: Counter[CallLine] = Counter()
        """Calls that are being given back: what arrives of them meanwhile is given back too."""

    async def keep(self, message: KeptMessage) -> None:
        """Keep a message in PostgreSQL, or else in the spool. It is safe when this returns.

        Raises `RelaySpoolFullError` if neither can take it. What follows a spooled message of its
        call is spooled too.
        """
        if self.writer.available and not self.spool.must_precede(message.line):
            try:
                await self.writer.record(message, RECORD_SECONDS)
            except MessagesUnavailableError:
                pass
            else:
                return
        await self.spool.keep(message)

    @property
    def worker(self) -> UUID:
        """The worker that claims."""
        return self.lease.id

    def wants(self, line: CallLine) -> bool:
        """Whether one more message of a call may be claimed now."""
        server = self.find_server(line[0])
        able = not server.is_parked and server.queue.has_place() and server.aim() is not None
        return able and self.lease.holds and line not in self.returning

    def take(self, message: ClaimedMessage, body: bytes | None, *, is_probe: bool = False) -> None:
        """Deliver a claimed message."""
        server = self.find_server(message.organization_id)
        given = relayed(message, body, is_probe=is_probe)
        if message.line in self.returning or (server.is_parked and not is_probe):
            self.give_back(given)
            return
        try:
            server.deliver(given)
        except Exception as exc:
            # A claim that is in no queue would be held as long as this replica lives.
            log.exception("relay.attempt_failed", organization_id=str(message.organization_id))
            self.note_failed(given, describe_failure(exc))

    def confirm(self, line: CallLine) -> None:
        """A call that was given back may be claimed anew."""
        self.returning[line] -= 1
        if self.returning[line] <= 0:
            del self.returning[line]

    def park(self, owner: UUID) -> None:
        """Stop delivering to a server that failed too often."""
        self.find_server(owner).park()

    def doubt(self) -> None:
        """Release all claims: one may be committed of which nothing is known."""
        if self.lease.until > float("-inf"):
            self.lease.begin_anew()

    async def load(self, message: RelayMessage) -> bytes | None:
        """The body of a claimed message; None if it may not be delivered from here now."""
        if not self.lease.holds:
            return None
        if message.body is not None:
            return message.body
        try:
            async with at_most(LOAD_SECONDS):
                return await messages.load(self.pool, message.row, message.webhook_id)
        except UNAVAILABLE:
            return None

    def note_delivered(self, message: RelayMessage) -> None:
        """The server took it."""
        owner = message.organization_id
        self.writer.outcomes.note_delivered(owner, message.row, message.webhook_id)
        self.writer.flush_soon()

    def note_failed(self, message: RelayMessage, error: str) -> None:
        """The server did not take it: it waits in PostgreSQL, and those behind it with it."""
        delay = backoff(message.attempts + 1)
        returned = self.returned(message, row=message.row, delay=delay, error=error)
        self.writer.outcomes.note_failed(returned)
        self.writer.flush_soon()

    def note_error(self, owner: UUID, error: str) -> None:
        """Record why a server did not take a message."""
        self.writer.outcomes.note_error(owner, error)
        self.writer.flush_soon()

    def give_back(self, message: RelayMessage) -> None:
        """It was not sent: its call waits for a new claim. One that is given back already takes all
        messages of the call along."""
        if line_of(message) not in self.returning:
            self.writer.outcomes.returned.append(self.returned(message))
            self.writer.flush_soon()

    def returned(
        self, message: RelayMessage, *, row: int = 0, delay: float = 0.0, error: str | None = None
    ) -> ReturnedCall:
        """The call of a message, noted as on its way back."""
        line = line_of(message)
        self.returning[line] += 1
        return ReturnedCall(*line, self.worker, row, delay, error, is_probe=message.is_probe)


def line_of(message: RelayMessage) -> CallLine:
    return message.organization_id, message.call


def relayed(message: ClaimedMessage, body: bytes | None, *, is_probe: bool) -> RelayMessage:
    """A claimed message as the servers' queues hold it."""
    return RelayMessage(
        message.organization_id,
        message.webhook_id,
        message.type,
        message.content_type,
        body,
        message.decision_id,
        message.vapi_call_id,
        is_lasting=True,
        row=message.id,
        attempts=message.attempts,
        is_probe=is_probe,
    )
