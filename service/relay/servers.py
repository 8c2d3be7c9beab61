"""One organization's server: its own queue, connections, deadlines and breakers."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import structlog

from service.relay.answers import AnswerReader, RelayAnswer
from service.relay.asking import AskedServer
from service.relay.breaker import Breaker
from service.relay.connections import OpenConnections
from service.relay.failures import describe_failure
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage, RelayQueue
from service.relay.report import DropReason, RelayReport
from service.relay.sender import FAILURES, Sender, ServerStatusError
from service.relay.shares import RelayShares
from service.relay.targets import RelayTarget, RelayTargets

RECENT_SECONDS = 60.0

log = structlog.get_logger()


class DeliveryFates:
    """The results of lasting messages; the keeper of claims takes the place of this one."""

    async def load(self, message: RelayMessage) -> bytes | None:
        """The body of a message that is not in memory; None: it may not be delivered any more."""
        return message.body

    def note_delivered(self, message: RelayMessage) -> None:
        """The server took it."""

    def note_failed(self, message: RelayMessage, error: str) -> None:
        """The server did not take it: it waits elsewhere, with those behind it."""

    def give_back(self, message: RelayMessage) -> None:
        """It was not sent: it waits elsewhere."""

    def note_error(self, owner: UUID, error: str) -> None:
        """A server did not take a message, whether it lasts or not."""


class OrganizationServer:
    """Messages for one server. A lasting message that fails leaves this replica, and with it the
    lasting ones of its call."""

    def __init__(
        self,
        organization_id: UUID,
        sender: Sender,
        reader: AnswerReader,
        targets: RelayTargets,
        fates: DeliveryFates,
        *,
        limits: RelayLimits,
        shares: RelayShares,
        report: RelayReport,
    ) -> None:
        self.organization_id = organization_id
        self.sender = sender
        self.targets = targets
        self.fates = fates
        self.limits = limits
        self.connections = OpenConnections(shares.connections)
        self.report = report
        self.asked = AskedServer(
            organization_id,
            sender,
            reader,
            limits,
            self.connections,
            self.is_present,
            self.note_error,
            report,
        )
        self.url = ""
        self.queue = RelayQueue(limits.waiting_messages, limits.waiting_bytes, shares.held)
        self.deliveries = Breaker(5, limits.first_pause_seconds, limits.longest_pause_seconds)
        self.is_parked = False
        self.delivering = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.dropped_at = float("-inf")

    @property
    def is_failing(self) -> bool:
        """Whether a breaker is open, or messages were dropped within the last minute."""
        recently = time.monotonic() - self.dropped_at < RECENT_SECONDS
        return recently or not (self.asked.breaker.is_closed and self.deliveries.is_closed)

    def note_error(self, error: str) -> None:
        """Let all replicas know why a message was not taken."""
        self.fates.note_error(self.organization_id, error)

    def aim(self) -> RelayTarget | None:
        """Where the organization's server is now; another server starts without failures."""
        target = self.targets.find(self.organization_id)
        if target is not None and target.url != self.url:
            self.url = target.url
            self.asked.breaker.reset()
            self.deliveries.reset()
        return target

    def is_present(self, target: RelayTarget | None) -> bool:
        """Whether a message was sent to the server that the organization has now: what a former one did
        tells nothing of it. None: the message was not sent."""
        return target is None or target.url == self.targets.find_url(self.organization_id)

    async def ask(self, message: RelayMessage, seconds: float) -> RelayAnswer | None:
        """The server's answer as it came, or None if there is none."""
        target = self.aim()
        return None if target is None else await self.asked.ask(message, target, seconds)

    async def ask_for_object(
        self, message: RelayMessage, seconds: float
    ) -> dict[str, object] | None:
        """The JSON object that the server answered, or None if there is none that Vapi could use."""
        target = self.aim()
        return None if target is None else await self.asked.ask_for_object(message, target, seconds)

    def forward(self, message: RelayMessage) -> None:
        """Queue a message that does not last; its answer is discarded."""
        if self.is_parked:
            self.drop([message], "parked")
            return
        self.aim()
        self.expire()
        self.drop(self.queue.put(replace(message, received_at=time.monotonic())), "queue_full")
        self.add_worker()

    def deliver(self, message: RelayMessage) -> None:
        """Queue a lasting message that this replica claimed."""
        self.aim()
        if message.is_probe:
            self.deliveries.reset()
        self.queue.put_lasting(replace(message, received_at=time.monotonic()))
        self.add_worker()

    def park(self) -> None:
        """Stop delivering: one message at a time probes the server, from any replica."""
        self.is_parked = True
        self.drop(self.queue.expire(float("inf")), "parked")
        for message in self.queue.give_up():
            self.fates.give_back(message)

    def resume(self) -> None:
        """Deliver again."""
        self.is_parked = False
        self.deliveries.reset()

    def expire(self) -> None:
        """Drop what waited for too long."""
        oldest = time.monotonic() - self.limits.longest_wait_seconds
        self.drop(self.queue.expire(oldest), "expired")

    def drop(self, messages: Iterable[RelayMessage], reason: DropReason) -> None:
        for message in messages:
            self.dropped_at = time.monotonic()
            self.report.note_dropped(message, reason)

    def add_worker(self) -> None:
        """Deliver over one more connection, if there is work; a failing server gets one in all."""
        most = self.limits.connections if self.deliveries.is_closed else 1
        # One delivery is always allowed: it waits for no share, and without it none would go on.
        most = most if self.connections.allows() else 1
        if self.queue.is_ready and self.delivering < most:
            self.delivering += 1
            self.connections.take()
            task = asyncio.create_task(self.work())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def work(self) -> None:
        """Deliver until nothing is left."""
        try:
            while self.queue.is_ready:
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
        """Deliver a message. After an error of ours it waits for another try as well: left as it is,
        it would hold up the rest of its call."""
        self.deliveries.enter()
        target = None
        try:
            target = self.aim()
            is_sent = target is not None and await self.send(message, target)
        except (Exception, asyncio.CancelledError) as exc:
            if isinstance(exc, asyncio.CancelledError) and is_ending():
                self.deliveries.leave()
                raise
            if not isinstance(exc, FAILURES):
                log.exception("relay.attempt_failed", organization_id=str(self.organization_id))
            if self.is_present(target):
                await self.note_failure(message, exc)
            else:
                self.turn_to_present(message, exc)
            return
        if not is_sent:
            self.deliveries.leave()
            self.leave(message)
            return
        self.deliveries.succeed()
        self.report.delivered += 1
        self.queue.finish(message)
        if message.is_lasting:
            self.fates.note_delivered(message)

    async def send(self, message: RelayMessage, target: RelayTarget) -> bool:
        """Send a message; False if it is not to be sent from here."""
        body = await self.fates.load(message) if message.is_lasting else message.body
        if body is None:
            return False
        await self.sender.deliver(message, body, target, self.limits.delivery_seconds)
        return True

    async def note_failure(self, message: RelayMessage, exc: BaseException) -> None:
        """Count a failed attempt, and try again later."""
        if isinstance(exc, ServerStatusError) and exc.status < 500:
            self.deliveries.succeed()
        else:
            self.deliveries.fail()
        self.note_error(describe_failure(exc))
        self.report.note_failed(self.organization_id, type(exc).__name__)
        await self.retry(message, describe_failure(exc))

    def turn_to_present(self, message: RelayMessage, exc: BaseException) -> None:
        """The server that did not take a message was replaced meanwhile: the new one gets it at once."""
        self.deliveries.reset()
        self.report.note_failed(self.organization_id, type(exc).__name__)
        if message.is_lasting:
            self.leave(message)
        else:
            self.queue.put_back(message)

    def leave(self, message: RelayMessage) -> None:
        """End a message that is not to be sent from here."""
        self.queue.finish(message)
        if not message.is_lasting:
            self.drop([message], "stopped")
            return
        self.queue.give_up(message.call)
        self.fates.give_back(message)

    async def retry(self, message: RelayMessage, error: str) -> None:
        """Try again later: a lasting message elsewhere, any other one a few times here."""
        if message.is_lasting:
            self.queue.finish(message)
            self.queue.give_up(message.call)
            self.fates.note_failed(message, error)
            return
        message = replace(message, attempts=message.attempts + 1)
        if message.attempts >= self.limits.attempts:
            self.queue.finish(message)
            self.drop([message], "failed")
            return
        await asyncio.sleep(2.0 ** (message.attempts - 1))
        self.queue.put_back(message)

    def stop(self) -> None:
        """Drop all that waits or is under way; the workers have ended. Lasting messages are kept."""
        passing = [one for one in self.queue.under_way.values() if not one.is_lasting]
        self.drop(passing, "stopped")
        self.drop(self.queue.expire(float("inf")), "stopped")


def is_ending() -> bool:
    """Whether this task was cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
