"""Look-ups of calls that are to be hung up: many at once become one list.

A flood of blocked calls would otherwise take the budget of requests for a `GET /call/{id}` each. While
look-ups wait for the budget, those of calls that began about the same time are answered by one list of
Vapi's (see `lookup_queue`); those that it does not show are requested alone, and so are all if Vapi
fails to list them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.vapi.calls.lookup_queue import Batch, CallList, CallQuery, Lookup, LookupQueue
from service.vapi.errors import (
    VapiError,
    VapiThrottledError,
    VapiTooLargeError,
    VapiUnauthorizedError,
)

AT_ONCE = 2
GATHER_SECONDS = 0.05

ReadOne = Callable[[str], Awaitable[dict[str, Any]]]
ReadList = Callable[[CallQuery], Awaitable[CallList]]


@dataclass(slots=True)
class CallLookups:
    """Answers look-ups. `pace` waits for the budget; `read_one` and `read_list` then make a request."""

    pace: Callable[[], Awaitable[None]]
    read_one: ReadOne
    read_list: ReadList
    queue: LookupQueue = field(default_factory=LookupQueue)
    pacing: asyncio.Task[None] | None = None
    made: deque[float] = field(default_factory=deque)
    requests: set[asyncio.Task[None]] = field(default_factory=set)

    async def find(self, vapi_call_id: str, began: datetime | None = None) -> dict[str, Any]:
        """One call with its live status. Raises a `VapiError`.

        `began`: when, if it is not a call of this moment. Callers that ask for one call share the
        answer; a look-up without a caller is dropped.
        """
        waiting = self.queue.waiting
        lookup = waiting.get(vapi_call_id)
        if lookup is None:
            answer = asyncio.get_running_loop().create_future()
            lookup = Lookup(vapi_call_id, answer, began or datetime.now(UTC))
            waiting[vapi_call_id] = lookup
        lookup.callers += 1
        self.start()
        try:
            return await asyncio.shield(lookup.answer)
        finally:
            lookup.callers -= 1
            if lookup.callers == 0:
                lookup.answer.cancel()
                if waiting.get(vapi_call_id) is lookup:
                    del waiting[vapi_call_id]

    def start(self) -> None:
        """Wait for the budget unless a task already does."""
        if self.queue.waiting and (self.pacing is None or self.pacing.done()):
            self.pacing = asyncio.create_task(self.work())

    async def work(self) -> None:
        """Make a request whenever the budget allows one, until no look-up waits."""
        waiting = self.queue.waiting
        while waiting:
            try:
                await asyncio.sleep(self.seconds_to_gather())
                await self.pace()
            except Exception as exc:
                fail(waiting.values(), exc)
                waiting.clear()
                return
            if batch := self.queue.take(datetime.now(UTC)):
                self.made.append(time.monotonic())
                request = asyncio.create_task(self.ask(batch))
                self.requests.add(request)
                request.add_done_callback(self.requests.discard)

    def seconds_to_gather(self) -> float:
        """How long to wait for look-ups that a list would answer as well: longer, the more requests were
        made within the last second, so that the first calls of a flood do not use the budget up."""
        now = time.monotonic()
        while self.made and now - self.made[0] > 1.0:
            self.made.popleft()
        return GATHER_SECONDS * max(0, len(self.made) - AT_ONCE)

    async def ask(self, batch: Batch) -> None:
        """Make one request, and answer those who wait for it.

        A list that is too large, late or broken says nothing about one call, and would fail again on
        each retry. A refused key or a spent budget would fail each request alone as well.
        """
        try:
            if batch.query is None:
                lookup = batch.lookups[0]
                self.settle(lookup, await self.read_one(lookup.vapi_call_id))
                return
            found = await self.read_list(batch.query)
        except Exception as exc:
            if batch.query is None or not is_of_list(exc):
                fail(batch.lookups, exc)
                return
            if isinstance(exc, VapiTooLargeError):
                self.queue.shrink()
            for lookup in batch.lookups:
                lookup.alone = True
                self.settle(lookup, None)
            return
        self.queue.learn(batch, found)
        for lookup in batch.lookups:
            self.settle(lookup, found.calls.get(lookup.vapi_call_id.lower()))

    def settle(self, lookup: Lookup, call: dict[str, Any] | None) -> None:
        """Answer a look-up; one that a list does not show waits again."""
        if lookup.answer.done():
            return
        if call is not None:
            lookup.answer.set_result(call)
            return
        # A newer look-up of the same call takes the older one's place, and answers it too.
        newer = self.queue.waiting.setdefault(lookup.vapi_call_id, lookup)
        if newer is not lookup:
            newer.callers += 1  # the older one's: it must not end with the newer one's own
            newer.answer.add_done_callback(lambda done: copy(done, lookup.answer))
        self.start()


def is_of_list(error: Exception) -> bool:
    """Whether the same calls may be read one by one although their list could not be."""
    hopeless = isinstance(error, VapiUnauthorizedError | VapiThrottledError)
    return isinstance(error, VapiError) and not hopeless


def fail(lookups: Iterable[Lookup], error: Exception) -> None:
    """Let each caller have the error."""
    for lookup in lookups:
        if not lookup.answer.done():
            lookup.answer.set_exception(error)
            lookup.answer.exception()  # read, in case that every caller has gone


def copy(source: asyncio.Future[dict[str, Any]], target: asyncio.Future[dict[str, Any]]) -> None:
    """Pass an answer on."""
    if target.done():
        return
    if source.cancelled():
        target.cancel()
    elif (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())
