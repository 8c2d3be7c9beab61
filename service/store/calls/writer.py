"""Group commit for calls: records that arrive during one transaction go into the next.

A record is acknowledged only after its transaction is committed. When PostgreSQL is away the gate gets
`RecordsUnavailableError` at once and keeps the record in the spool instead.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from service.domain.calls import CallKey, NewCall
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.pool import UNAVAILABLE

BATCH = 500
COMMIT_SECONDS = 3.0
REST_SECONDS = 2.0

log = structlog.get_logger()


class RecordsUnavailableError(Exception):
    """PostgreSQL did not confirm the record in time; it may still be committed."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`first`: this record made the decision of its organization; otherwise `stored` is the earlier
    one. A claim on another organization's call is always stored, with the `owner`'s decision."""

    first: bool
    stored: StoredDecision | None = None


@dataclass(slots=True)
class Waiting:
    """A record, and the future that its message waits for."""

    call: NewCall
    done: asyncio.Future[Recorded] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class CallWriter:
    """Writes new calls in batches, one transaction at a time."""

    def __init__(self, calls: CallStore) -> None:
        self.calls = calls
        self.queue: list[Waiting] = []
        self.flushing: asyncio.Task[None] | None = None
        self.resting_until = float("-inf")

    @property
    def available(self) -> bool:
        """Whether to wait for PostgreSQL: False for a moment after a failure."""
        return time.monotonic() >= self.resting_until

    async def record(self, call: NewCall, seconds: float) -> Recorded:
        """Record a call, waiting at most `seconds`. Raises `RecordsUnavailableError`."""
        if not self.available:
            raise RecordsUnavailableError
        done = self.enqueue(call)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(done)
        except TimeoutError:
            self.rest()
            raise RecordsUnavailableError from None

    async def record_all(self, calls: Sequence[NewCall], seconds: float) -> list[Recorded | None]:
        """Record calls, waiting at most `seconds` for all; None for each that is not confirmed."""
        if not self.available:
            return [None] * len(calls)
        waiting = [self.enqueue(call) for call in calls]
        _, late = await asyncio.wait(waiting, timeout=seconds)
        if late:
            self.rest()
        return [None if one in late or one.exception() else one.result() for one in waiting]

    def enqueue(self, call: NewCall) -> asyncio.Future[Recorded]:
        """Have a call recorded in the next transaction."""
        waiting = Waiting(call)
        self.queue.append(waiting)
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.create_task(self.flush())
        return waiting.done

    def rest(self) -> None:
        """Skip PostgreSQL for a moment, so that the next messages do not wait for it."""
        self.resting_until = time.monotonic() + REST_SECONDS

    async def flush(self) -> None:
        """Write until the queue is empty."""
        while self.queue:
            batch, self.queue = self.queue[:BATCH], self.queue[BATCH:]
            try:
                await self.write(batch)
            except UNAVAILABLE as exc:
                self.give_up(batch, exc)
            except Exception:
                # A bug of ours, or of the schema: the call is still decided, and kept on disk.
                if len(batch) > 1:
                    await self.write_one_by_one(batch)
                else:
                    log.exception("calls.refused")
                    fail(batch, RecordsUnavailableError())

    async def write_one_by_one(self, batch: list[Waiting]) -> None:
        """Write records separately: one that PostgreSQL rejects must not fail the others.

        Once PostgreSQL is away none of the rest is tried: each would wait for it again.
        """
        for place, waiting in enumerate(batch):
            try:
                await self.write([waiting])
            except UNAVAILABLE as exc:
                self.give_up(batch[place:], exc)
                return
            except Exception:
                log.exception("calls.refused")
                fail([waiting], RecordsUnavailableError())

    def give_up(self, batch: list[Waiting], error: Exception) -> None:
        """Leave records to the spool: PostgreSQL is away."""
        self.rest()
        log.warning("calls.not_recorded", error=type(error).__name__, calls=len(batch))
        fail(batch, RecordsUnavailableError())

    async def write(self, batch: list[Waiting]) -> None:
        """Write one bounded transaction."""
        calls = {waiting.call.key: waiting.call for waiting in reversed(batch)}
        written = await self.calls.record_calls_within(list(calls.values()), COMMIT_SECONDS)
        self.acknowledge(batch, calls, *written)

    def acknowledge(
        self,
        batch: list[Waiting],
        calls: Mapping[CallKey, NewCall],
        won: set[CallKey],
        stored: Mapping[CallKey, StoredDecision],
    ) -> None:
        """Resolve the futures of a committed batch."""
        for waiting in batch:
            key = waiting.call.key
            first = key in won and calls[key] is waiting.call
            if not waiting.done.done():
                earlier = stored.get(key) or (None if first else stored_of(calls[key]))
                waiting.done.set_result(Recorded(first, earlier))


def stored_of(call: NewCall) -> StoredDecision:
    """The decision of a copy of the same message, recorded in the same batch."""
    return StoredDecision(
        vapi_call_id=call.vapi_call_id,
        organization_id=call.organization_id,
        vapi_phone_number_id=call.vapi_phone_number_id,
        blocked=call.blocked,
        gate=call.gate,
        decision=call.decision,
        hung_up=call.hangup_after_seconds is not None,
    )


def fail(batch: list[Waiting], error: Exception) -> None:
    """Fail every future of a batch, so that no message is left waiting."""
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)
            # Retrieved, because the waiting message may have timed out.
            waiting.done.exception()
