"""Look-ups of calls that are to be hung up: many at once become one list.

A flood of blocked calls would otherwise take the budget of requests for a `GET /call/{id}` each. While
look-ups wait for the budget, all that wait are answered by the newest calls of Vapi's list; those that
it does not show are requested alone, and so are all if Vapi fails to list them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.vapi.errors import VapiError, VapiThrottledError, VapiUnauthorizedError

LIST_FROM = 3
"""So many look-ups that wait together are answered by a list."""
AT_ONCE = 2
GATHER_SECONDS = 0.05
MOST_LISTED = 100
"""Elements of the list: a call that goes on is among the newest, and each may be large."""

Call = Mapping[str, Any]
ReadOne = Callable[[str], Awaitable[dict[str, Any]]]
ReadList = Callable[[int], Awaitable[Mapping[str, dict[str, Any]]]]


@dataclass(slots=True)
class Lookup:
    """A look-up that waits. `alone`: the list did not show the call, or could not be read."""

    vapi_call_id: str
    answer: asyncio.Future[dict[str, Any]]
    callers: int = 0
    alone: bool = False


@dataclass(slots=True)
class CallLookups:
    """Answers look-ups. `pace` waits for the budget; `read_one` and `read_list` then make a request."""

    pace: Callable[[], Awaitable[None]]
    read_one: ReadOne
    read_list: ReadList
    waiting: dict[str, Lookup] = field(default_factory=dict)
    pacing: asyncio.Task[None] | None = None
    made: deque[float] = field(default_factory=deque)
    requests: set[asyncio.Task[None]] = field(default_factory=set)

    async def find(self, vapi_call_id: str) -> dict[str, Any]:
        """One call with its live status. Raises a `VapiError`.

        Callers that ask for one call share the answer; a look-up without a caller is dropped.
        """
        lookup = self.waiting.get(vapi_call_id)
        if lookup is None:
            lookup = Lookup(vapi_call_id, asyncio.get_running_loop().create_future())
            self.waiting[vapi_call_id] = lookup
        lookup.callers += 1
        self.start()
        try:
            return await asyncio.shield(lookup.answer)
        finally:
            lookup.callers -= 1
            if lookup.callers == 0:
                lookup.answer.cancel()
                if self.waiting.get(vapi_call_id) is lookup:
                    del self.waiting[vapi_call_id]

    def start(self) -> None:
        """Wait for the budget unless a task already does."""
        if self.waiting and (self.pacing is None or self.pacing.done()):
            self.pacing = asyncio.create_task(self.work())

    async def work(self) -> None:
        """Make a request whenever the budget allows one, until no look-up waits."""
        while self.waiting:
            try:
                await asyncio.sleep(self.seconds_to_gather())
                await self.pace()
            except Exception as exc:
                fail(self.waiting.values(), exc)
                self.waiting.clear()
                return
            if batch := self.next_batch():
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

    def next_batch(self) -> list[Lookup]:
        """The look-ups that the next request answers: one that no list shows, else all, else one."""
        lookups = list(self.waiting.values())
        listed = [one for one in lookups if not one.alone]
        batch = [one for one in lookups if one.alone][:1]
        if not batch:
            batch = listed[:MOST_LISTED] if len(listed) >= LIST_FROM else listed[:1]
        for one in batch:
            del self.waiting[one.vapi_call_id]
        return batch

    async def ask(self, batch: list[Lookup]) -> None:
        """Make one request, and answer those who wait for it.

        A list that is too large, late or broken says nothing about one call, and would fail again on
        each retry. A refused key or a spent budget would fail each request alone as well.
        """
        try:
            found = await self.request(batch)
        except Exception as exc:
            if len(batch) == 1 or not is_of_list(exc):
                fail(batch, exc)
                return
            found = {}
        for lookup in batch:
            self.settle(lookup, found.get(lookup.vapi_call_id.lower()))

    async def request(self, batch: list[Lookup]) -> Mapping[str, dict[str, Any]]:
        """The calls of one request by their ids in lower case. Raises a `VapiError`."""
        if len(batch) > 1:
            return await self.read_list(MOST_LISTED)
        call_id = batch[0].vapi_call_id
        return {call_id.lower(): await self.read_one(call_id)}

    def settle(self, lookup: Lookup, call: dict[str, Any] | None) -> None:
        """Answer a look-up; one that the list does not show waits again, for a request of its own."""
        if lookup.answer.done():
            return
        if call is not None:
            lookup.answer.set_result(call)
            return
        lookup.alone = True
        # A newer look-up of the same call takes the older one's place, and answers it too.
        newer = self.waiting.setdefault(lookup.vapi_call_id, lookup)
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
