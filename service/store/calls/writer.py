"""Group commit for calls: what arrives while one transaction is under way goes into the next.

A record is answered for only after its transaction is committed. When PostgreSQL is away the caller
hears of it at once (`RecordsUnavailableError`) and keeps the record in the spool instead.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from service.domain.calls import HangupState, NewCall
from service.store.calls.records import StoredDecision, record_calls
from service.store.pool import UNAVAILABLE, Pool

BATCH = 500
COMMIT_SECONDS = 3.0
REST_SECONDS = 2.0

log = structlog.get_logger()


class RecordsUnavailableError(Exception):
    """PostgreSQL did not take the record in time; whether it will is unknown."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`first`: this very record made the decision; otherwise an earlier one stands, as `stored`."""

    first: bool
    stored: StoredDecision | None = None


@dataclass(slots=True)
class Waiting:
    """A record and who waits for it."""

    call: NewCall
    done: asyncio.Future[Recorded] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class CallWriter:
    """Writes new calls in batches, one transaction at a time."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.queue: list[Waiting] = []
        self.flushing: asyncio.Task[None] | None = None
        self.resting_until = float("-inf")

    @property
    def available(self) -> bool:
        """Whether it is worth waiting for PostgreSQL, as far as the last attempt tells."""
        return time.monotonic() >= self.resting_until

    async def record(self, call: NewCall, seconds: float) -> Recorded:
        """Record a call, waiting at most `seconds`. Raises `RecordsUnavailableError`."""
        if not self.available:
            raise RecordsUnavailableError
        waiting = Waiting(call)
        self.queue.append(waiting)
        if self.flushing is None or self.flushing.done():
            self.flushing = asyncio.create_task(self.flush())
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(waiting.done)
        except TimeoutError:
            self.rest()
            raise RecordsUnavailableError from None

    def rest(self) -> None:
        """Spare the next callers the wait: PostgreSQL is tried again in a moment."""
        self.resting_until = time.monotonic() + REST_SECONDS

    async def flush(self) -> None:
        """Write until nothing waits."""
        while self.queue:
            batch, self.queue = self.queue[:BATCH], self.queue[BATCH:]
            try:
                await self.write(batch)
            except UNAVAILABLE as exc:
                self.rest()
                log.warning("calls.not_recorded", error=type(exc).__name__, calls=len(batch))
                fail(batch, RecordsUnavailableError())
            except Exception:
                # A fault of ours, or of the schema: the call is still decided, and kept on disk.
                if len(batch) > 1:
                    await self.write_one_by_one(batch)
                else:
                    log.exception("calls.refused")
                    fail(batch, RecordsUnavailableError())

    async def write_one_by_one(self, batch: list[Waiting]) -> None:
        """One record that PostgreSQL refuses must not take its neighbours along."""
        for waiting in batch:
            try:
                await self.write([waiting])
            except Exception:
                log.exception("calls.refused")
                fail([waiting], RecordsUnavailableError())

    async def write(self, batch: list[Waiting]) -> None:
        """One transaction, bounded: a connection that hangs is thrown away, not waited for."""
        calls = {waiting.call.vapi_call_id: waiting.call for waiting in reversed(batch)}
        async with asyncio.timeout(COMMIT_SECONDS):
            connection = await self.pool.acquire(timeout=COMMIT_SECONDS)
        work = asyncio.create_task(record_calls(connection, list(calls.values())))
        try:
            finished, _ = await asyncio.wait({work}, timeout=COMMIT_SECONDS)
            if not finished:
                connection.terminate()
                work.cancel()
                raise TimeoutError
            self.tell(batch, calls, *work.result())
        finally:
            if not work.done():
                work.add_done_callback(lambda task: task.cancelled() or task.exception())
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self.pool.release(connection)
            except (TimeoutError, asyncpg.InterfaceError):
                connection.terminate()

    def tell(
        self,
        batch: list[Waiting],
        calls: Mapping[str, NewCall],
        won: set[str],
        stored: Mapping[str, StoredDecision],
    ) -> None:
        """Answer everybody in a batch that is committed."""
        for waiting in batch:
            call_id = waiting.call.vapi_call_id
            first = call_id in won and calls[call_id] is waiting.call
            if not waiting.done.done():
                earlier = None if first else stored.get(call_id) or stored_of(calls[call_id])
                waiting.done.set_result(Recorded(first, earlier))


def stored_of(call: NewCall) -> StoredDecision:
    """The decision of a copy of the same message, which was recorded in the same batch."""
    return StoredDecision(
        vapi_call_id=call.vapi_call_id,
        organization_id=call.organization_id,
        blocked=call.blocked,
        gate=call.gate,
        decision=call.decision,
        ended=call.ended_at is not None,
        hangup_state=None if call.hangup_after_seconds is None else HangupState.PENDING,
    )


def fail(batch: list[Waiting], error: Exception) -> None:
    """Tell everybody in the batch; nobody is left waiting."""
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)
            # Whoever gave up waiting is not there to hear it.
            waiting.done.exception()
