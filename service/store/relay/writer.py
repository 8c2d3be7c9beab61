"""Group commit for lasting messages and their outcomes, one statement after the other.

A message is acknowledged only after its row is committed. All that changes claims goes through here, so
that their effects reach the memory in the order of the database: no message of a call can enter a queue
in front of one that waits for another try.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog

from service.domain.relay.messages import CallLine, ClaimedMessage, KeptMessage
from service.store.bounded import at_most
from service.store.failures import CONFLICTS, classify
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import messages, states
from service.store.relay.outcomes import Outcomes

BATCH = 500
BATCH_BYTES = 8 * 2**20
COMMIT_SECONDS = 3.0
REST_SECONDS = 2.0

log = structlog.get_logger()


class MessagesUnavailableError(Exception):
    """PostgreSQL did not confirm the message in time; it may still be committed."""


@dataclass(slots=True)
class WaitingMessage:
    """A message, and the future that its sender waits for."""

    message: KeptMessage
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class ClaimKeeper(Protocol):
    """What the writer tells of claims."""

    @property
    def worker(self) -> UUID:
        """The worker that claims."""

    def wants(self, line: CallLine) -> bool:
        """Whether this worker would deliver one more message of a call now."""

    def take(self, message: ClaimedMessage, body: bytes | None) -> None:
        """A message is claimed; `body` is at hand."""

    def confirm(self, line: CallLine) -> None:
        """A call that was given back may be claimed anew."""

    def park(self, owner: UUID) -> None:
        """A server failed too often."""

    def doubt(self) -> None:
        """A claim may be committed of which nothing is known."""


class RelayWriter:
    """Writes in batches."""

    def __init__(self, pool: Pool, claims: ClaimKeeper) -> None:
        self.pool = pool
        self.claims = claims
        self.queue: list[WaitingMessage] = []
        self.outcomes = Outcomes()
        self.turn = asyncio.Lock()
        self.flushing: asyncio.Task[None] | None = None
        self.resting_until = float("-inf")

    @property
    def available(self) -> bool:
        """Whether to wait for PostgreSQL: False for a moment after a failure."""
        return time.monotonic() >= self.resting_until

    def rest(self) -> None:
        """Skip PostgreSQL for a moment, so that the next messages do not wait for it."""
        self.resting_until = time.monotonic() + REST_SECONDS

    @property
    def held_seconds(self) -> float:
        """How long messages wait for those in the spools of other replicas; 0 but after an outage."""
        held = messages.HELD_SECONDS
        return held if time.monotonic() < self.resting_until + held else 0.0

    async def record(self, message: KeptMessage, seconds: float) -> None:
        """Keep a message; it is safe when this returns. Raises `MessagesUnavailableError`."""
        if not self.available:
            raise MessagesUnavailableError
        waiting = WaitingMessage(message)
        self.queue.append(waiting)
        self.flush_soon()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(waiting.done)
        except TimeoutError:
            self.rest()
            raise MessagesUnavailableError from None

    def flush_soon(self) -> None:
        """Write what waits, unless that is under way."""
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Write until nothing waits, or PostgreSQL is away."""
        while self.queue or self.outcomes:
            batch = self.next_batch()
            try:
                async with self.turn:
                    await self.write_outcomes()
                    await self.write(batch)
            except UNAVAILABLE as exc:
                self.give_up(batch, exc)
                return
            except Exception as exc:
                # A bug of ours, or a value that PostgreSQL rejects: the others must not fail with it.
                if len(batch) > 1:
                    await self.write_each(batch)
                else:
                    self.refuse(batch, exc)
            except asyncio.CancelledError as exc:
                self.give_up(batch, exc)
                raise

    def give_up(self, batch: list[WaitingMessage], exc: BaseException) -> None:
        """PostgreSQL is away: the messages go elsewhere, the outcomes of others wait.

        So does what waits behind them: it may be of the same calls, and must not overtake.
        """
        self.rest()
        if not isinstance(exc, CONFLICTS):
            self.claims.doubt()
        log.warning("relay.not_recorded", error=type(exc).__name__, messages=len(batch))
        behind, self.queue = self.queue, []
        fail([*batch, *behind])

    async def write_each(self, batch: list[WaitingMessage]) -> None:
        """Write messages one after the other. If PostgreSQL is away, those that are left go elsewhere
        together: one of them must not overtake another of its call."""
        for place, waiting in enumerate(batch):
            try:
                async with self.turn:
                    await self.write([waiting])
            except UNAVAILABLE as exc:
                self.give_up(batch[place:], exc)
                return
            except Exception as exc:
                self.refuse([waiting], exc)

    def refuse(self, batch: list[WaitingMessage], exc: Exception) -> None:
        """These messages go elsewhere. After a bug of ours one may be committed and claimed."""
        if classify(exc) == "bug":
            log.error("relay.refused", exc_info=exc)
            self.claims.doubt()
        fail(batch)

    def next_batch(self) -> list[WaitingMessage]:
        """The next messages, of so many bytes as one statement takes well, and at least one."""
        size = count = 0
        while count < min(len(self.queue), BATCH) and (not count or size < BATCH_BYTES):
            size += len(self.queue[count].message.body)
            count += 1
        batch, self.queue = self.queue[:count], self.queue[count:]
        return batch

    async def write(self, batch: list[WaitingMessage]) -> None:
        """Insert messages, and hand over those that are claimed."""
        if not batch:
            return
        given: dict[tuple[UUID, str], KeptMessage] = {}
        for waiting in batch:
            given.setdefault(
                (waiting.message.organization_id, waiting.message.webhook_id), waiting.message
            )
        held = self.held_seconds
        wanted = {one.line: not held and self.claims.wants(one.line) for one in given.values()}
        worker = self.claims.worker
        async with at_most(COMMIT_SECONDS):
            made = await messages.insert(
                self.pool,
                worker,
                [(one, wanted[one.line]) for one in given.values()],
                held_seconds=held,
            )
        for key, message in given.items():
            row = made.get(key)
            if row is not None and row.claimed and worker == self.claims.worker:
                self.claims.take(claimed(message, row.id), message.body)
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(None)

    async def write_outcomes(self) -> None:
        """Write the outcomes of messages; while PostgreSQL is away they wait for the next time."""
        if not self.outcomes:
            return
        given, self.outcomes = self.outcomes, Outcomes()
        try:
            async with at_most(COMMIT_SECONDS):
                await self.write_given(given)
        except (*UNAVAILABLE, asyncio.CancelledError):
            given.merge(self.outcomes)
            self.outcomes = given
            raise
        except Exception:
            # Claims that are not given back end with the worker: it is replaced.
            log.exception("relay.outcomes_refused")
            self.claims.doubt()
            self.confirm(given)

    async def write_given(self, given: Outcomes) -> None:
        if given.finished:
            await messages.finish(self.pool, given.finished)
            given.finished = []
        if given.succeeded:
            await states.succeed(self.pool, sorted(given.succeeded))
            given.succeeded = set()
        if given.failures:
            for owner in await states.fail(self.pool, given.failures):
                self.claims.park(owner)
            given.failures = {}
        if given.probed:
            await states.note_failed_probes(self.pool, sorted(given.probed))
            given.probed = set()
        if given.returned:
            await messages.give_back(self.pool, given.returned)
            self.confirm(given)

    def confirm(self, given: Outcomes) -> None:
        """Let calls that were given back be claimed anew."""
        returned, given.returned = given.returned, []
        for one in returned:
            self.claims.confirm((one.organization_id, one.vapi_call_id))

    @asynccontextmanager
    async def claiming(self) -> AsyncIterator[None]:
        """A turn in which claims may change, after what is known of earlier ones is written."""
        async with self.turn:
            try:
                await self.write_outcomes()
                yield
            except (Exception, asyncio.CancelledError):
                self.claims.doubt()
                raise

    async def drain(self, seconds: float) -> None:
        """Write what waits, within `seconds`."""
        self.flush_soon()
        if self.flushing is not None:
            await asyncio.wait({self.flushing}, timeout=seconds)


def claimed(message: KeptMessage, row: int) -> ClaimedMessage:
    """A message with its row."""
    return ClaimedMessage(
        row,
        message.organization_id,
        message.webhook_id,
        message.vapi_call_id,
        message.type,
        message.content_type,
        message.decision_id,
        len(message.body),
    )


def fail(batch: list[WaitingMessage]) -> None:
    """Fail every future of a batch, so that no sender is left waiting."""
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(MessagesUnavailableError())
            # Retrieved, because the sender may have timed out.
            waiting.done.exception()
