"""Counts calls that want slots of limits, and records those that are let in: calls that arrive during
one transaction go into the next, and each organization has one at a time.

A transaction waits for the locks of its organization. They are apart from the writer of all other
records, and from each other, so that no organization's locks delay another one's calls. What cannot be
committed in time is not recorded later behind the back of its message.
"""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from service.domain.calls import CallKey, NewCall
from service.store.bounded import at_most
from service.store.calls.call_store import CallStore
from service.store.calls.writer import BATCH, REST_SECONDS, RecordsUnavailableError
from service.store.pool import UNAVAILABLE

AT_ONCE = 4
"""Transactions of a replica; each takes a connection of the pool that counts."""
COUNT_SECONDS = 1.5
"""A transaction; less than a message waits for it."""
SHORTEST_SECONDS = 0.05
"""What a message must have left for a transaction to begin."""

log = structlog.get_logger()


@dataclass(slots=True)
class WaitingCall:
    """A call, until when its message waits (monotonic), and the future that it waits for."""

    call: NewCall
    ends_at: float
    counted: asyncio.Future[NewCall | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class OrganizationSlots:
    """The calls of one organization."""

    calls: CallStore
    turns: asyncio.Semaphore
    queue: list[WaitingCall] = field(default_factory=list)
    flushing: asyncio.Task[None] | None = None
    resting_until: float = float("-inf")

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, and nothing failed a moment ago."""
        resting = time.monotonic() < self.resting_until
        return not (resting or self.queue or (self.flushing and not self.flushing.done()))

    async def count(self, call: NewCall, seconds: float) -> NewCall | None:
        """See `SlotWriter.count`."""
        if time.monotonic() < self.resting_until:
            raise RecordsUnavailableError
        waiting = WaitingCall(call, time.monotonic() + seconds)
        self.queue.append(waiting)
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.create_task(self.flush())
        try:
            async with asyncio.timeout(seconds):
                return await waiting.counted
        except TimeoutError:
            self.rest()
            raise RecordsUnavailableError from None

    def rest(self) -> None:
        """Skip PostgreSQL for a moment, so that the next messages do not wait for it."""
        self.resting_until = time.monotonic() + REST_SECONDS

    async def flush(self) -> None:
        """Count until the queue is empty."""
        while self.queue:
            batch, self.queue = self.queue[:BATCH], self.queue[BATCH:]
            try:
                async with self.turns:
                    await self.count_batch([one for one in batch if not one.counted.done()])
            except Exception as exc:
                if isinstance(exc, UNAVAILABLE):
                    log.warning("calls.not_counted", error=type(exc).__name__, calls=len(batch))
                else:
                    log.exception("calls.not_counted")
                self.rest()
                fail(batch)

    async def count_batch(self, batch: list[WaitingCall]) -> None:
        """Count the calls of messages that still wait, in the order of their arrival. Raises
        `TimeoutError` before the first of them stops waiting."""
        if not batch:
            return
        distinct: dict[CallKey, NewCall] = {}
        for one in batch:
            distinct.setdefault(one.call.key, one.call)
        ends_at = min(one.ends_at for one in batch)
        seconds = min(COUNT_SECONDS, ends_at - time.monotonic())
        if seconds < SHORTEST_SECONDS:
            raise TimeoutError
        async with at_most(seconds):
            counted = await self.calls.let_calls_in(list(distinct.values()))
        for one in batch:
            if not one.counted.done():
                mine = distinct[one.call.key] is one.call
                one.counted.set_result(counted.get(one.call.key) if mine else None)


class SlotWriter:
    """The organizations that have calls to count, or whose transactions failed a moment ago."""

    def __init__(self, calls: CallStore) -> None:
        self.calls = calls
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.organizations: dict[UUID, OrganizationSlots] = {}

    async def count(self, call: NewCall, seconds: float) -> NewCall | None:
        """A call that wants slots with its limits counted, within so many seconds: recorded if it is
        let in. None: it is recorded already. Raises `RecordsUnavailableError`."""
        owner = call.organization_id
        assert owner is not None, "only calls of organizations want slots"
        slots = self.organizations.get(owner)
        if slots is None:
            for idle in [owner for owner, one in self.organizations.items() if one.is_idle]:
                del self.organizations[idle]
            slots = self.organizations[owner] = OrganizationSlots(self.calls, self.turns)
        return await slots.count(call, seconds)


def fail(batch: list[WaitingCall]) -> None:
    """Fail every future of a batch, so that no message is left waiting."""
    for one in batch:
        if not one.counted.done():
            one.counted.set_exception(RecordsUnavailableError())
            # Retrieved, because the waiting message may have stopped waiting.
            one.counted.exception()
