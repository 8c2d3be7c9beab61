"""One organization's server: its own queue, connections, deadlines and breakers."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import aiohttp

from service.domain.errors import InvalidError
from service.relay.answers import AnswerReader
from service.relay.breaker import Breaker
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage, RelayQueue
from service.relay.report import DropReason, RelayReport, UnansweredReason
from service.relay.sender import (
    FAILURES,
    AnswerBudget,
    AnswerTooLargeError,
    Sender,
    ServerStatusError,
)
from service.relay.shares import RelayShares
from service.relay.status import RelayStatus

RECENT_SECONDS = 60.0


class OrganizationServer:
    """Messages for one server.

    Requests that Vapi waits for go out at once, beside the queue, or not at all. Their breaker is not
    that of the queue: a server that is slow with events may still answer callers.
    """

    def __init__(
        self,
        organization_id: UUID,
        sender: Sender,
        reader: AnswerReader,
        *,
        limits: RelayLimits,
        shares: RelayShares,
        report: RelayReport,
    ) -> None:
        self.organization_id = organization_id
        self.sender = sender
        self.reader = reader
        self.reading = asyncio.Lock()
        self.limits = limits
        self.connections = shares.connections
        self.report = report
        self.url = ""
        self.queue = RelayQueue(limits.waiting_messages, limits.waiting_bytes, shares.held)
        self.budget = AnswerBudget(limits.answer_bytes, limits.all_answer_bytes)
        self.answers = Breaker(threshold=10, first_pause=1.0, longest_pause=10.0)
        self.deliveries = Breaker(threshold=5, first_pause=1.0, longest_pause=60.0)
        self.asking = 0
        self.delivering = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.dropped_at = float("-inf")
        self.dropped = 0
        self.last_error: str | None = None
        self.last_error_at: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Whether a breaker is open, or messages were dropped within the last minute."""
        recently = time.monotonic() - self.dropped_at < RECENT_SECONDS
        return recently or not (self.answers.is_closed and self.deliveries.is_closed)

    @property
    def status(self) -> RelayStatus:
        """How this server takes its messages."""
        works = self.answers.is_closed and self.deliveries.is_closed
        oldest = self.queue.oldest_at
        return RelayStatus(
            "delivering" if works else "paused",
            self.queue.waiting,
            None if oldest is None else time.monotonic() - oldest,
            self.dropped,
            self.last_error,
            self.last_error_at,
        )

    @property
    def open(self) -> int:
        """Connections under way."""
        return self.asking + self.delivering

    def aim(self, url: str) -> None:
        """Note where the organization's server is now; another server starts without failures."""
        if url != self.url:
            self.url = url
            self.answers.reset()
            self.deliveries.reset()

    async def ask(self, message: RelayMessage, seconds: float) -> dict[str, object] | None:
        """The server's answer, or None if there is none that Vapi could use."""
        self.aim(message.url)
        if self.asking >= self.limits.answers or not self.connections.allows(self.open):
            self.unanswered("busy")
            return None
        if not self.answers.enter():
            self.unanswered("breaker_open")
            return None
        probing = self.answers.probing
        self.asking += 1
        self.connections.take()
        try:
            content = await self.sender.ask(message, seconds, self.budget)
        except FAILURES as exc:
            if isinstance(exc, ServerStatusError):
                self.answers.succeed()
            else:
                self.answers.fail()
            self.note_error(exc)
            self.unanswered(reason_of(exc))
            return None
        else:
            self.answers.succeed()
        finally:
            self.asking -= 1
            self.connections.give()
            if probing:
                self.answers.leave()
        answer = await self.reader.read(content, self.reading)
        if answer is None:
            self.unanswered("unusable")
        else:
            self.report.answered += 1
        return answer

    def note_error(self, exc: Exception) -> None:
        """Remember why a message was not taken."""
        self.last_error, self.last_error_at = describe_failure(exc), datetime.now(UTC)

    def unanswered(self, reason: UnansweredReason) -> None:
        self.report.note_unanswered(self.organization_id, reason)

    def forward(self, message: RelayMessage) -> None:
        """Queue a message; its answer is discarded."""
        self.aim(message.url)
        self.expire()
        self.drop(self.queue.put(replace(message, received_at=time.monotonic())), "queue_full")
        self.add_worker()

    def expire(self) -> None:
        """Drop what waited for too long."""
        oldest = time.monotonic() - self.limits.longest_wait_seconds
        self.drop(self.queue.expire(oldest), "expired")

    def drop(self, messages: Iterable[RelayMessage], reason: DropReason) -> None:
        for message in messages:
            self.dropped_at = time.monotonic()
            self.dropped += 1
            self.report.note_dropped(message, reason)

    def add_worker(self) -> None:
        """Deliver over one more connection, if there is work; a failing server gets one in all."""
        most = self.limits.connections if self.deliveries.is_closed else 1
        # One delivery is always allowed: it waits for no share, and without it none would go on.
        most = most if self.connections.allows(self.open) else 1
        if self.queue.ready and self.delivering < most:
            self.delivering += 1
            self.connections.take()
            task = asyncio.create_task(self.work())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def work(self) -> None:
        """Deliver until nothing is left."""
        try:
            while self.queue.ready:
                pause = self.deliveries.wait_seconds()
                if pause:
                    if self.delivering > 1:
                        return
                    await asyncio.sleep(pause)
                    self.expire()
                elif message := self.queue.take():
                    await self.attempt(message)
                    self.add_worker()
        finally:
            self.delivering -= 1
            self.connections.give()

    async def attempt(self, message: RelayMessage) -> None:
        """Deliver a message; one that fails waits again, and is dropped after a few attempts."""
        self.deliveries.enter()
        try:
            await self.sender.deliver(message, self.limits.delivery_seconds)
        except FAILURES as exc:
            if isinstance(exc, ServerStatusError) and exc.status < 500:
                self.deliveries.succeed()
            else:
                self.deliveries.fail()
            self.note_error(exc)
            self.report.note_failed(self.organization_id, type(exc).__name__)
            await self.retry(replace(message, attempts=message.attempts + 1))
        else:
            self.deliveries.succeed()
            self.report.delivered += 1
            self.queue.finish(message)

    async def retry(self, message: RelayMessage) -> None:
        if message.attempts >= self.limits.attempts:
            self.queue.finish(message)
            self.drop([message], "failed")
            return
        await asyncio.sleep(2.0 ** (message.attempts - 1))
        self.queue.put_back(message)

    def stop(self) -> None:
        """Drop all that waits or is under way; the workers have ended."""
        self.drop(self.queue.under_way.values(), "stopped")
        self.drop(self.queue.expire(float("inf")), "stopped")


def reason_of(exc: Exception) -> UnansweredReason:
    """Why there is no answer, in one word."""
    if isinstance(exc, ServerStatusError):
        return "status"
    return "timeout" if isinstance(exc, TimeoutError) else "failed"


def describe_failure(exc: Exception) -> str:
    """What went wrong, as a sentence without any text of the server."""
    if isinstance(exc, ServerStatusError):
        return f"It answered with status {exc.status}."
    if isinstance(exc, TimeoutError):
        return "It did not answer in time."
    if isinstance(exc, AnswerTooLargeError):
        return "Its answer exceeds the limit."
    if isinstance(exc, InvalidError):
        return "Its address is not allowed."
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "Its name cannot be resolved."
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "The connection was refused or timed out."
    return f"The exchange broke off ({type(exc).__name__})."
