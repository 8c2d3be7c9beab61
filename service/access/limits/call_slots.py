"""Lets calls in within their limits: counted in PostgreSQL with their record, or else by the share of
this replica."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from service.access.first_message import GUESS_SECONDS
from service.access.known_calls import KnownCall
from service.access.limits.feed import REFRESH_SECONDS, LimitFeed
from service.access.limits.memory import LimitMemory
from service.domain.calls import NewCall
from service.store.bounded import at_most
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.calls.limits.slot_writer import SlotWriter
from service.store.pool import UNAVAILABLE


@dataclass(slots=True)
class CallSlots:
    """The slots of calls that want some; calls without limits pass unchanged."""

    calls: CallStore
    memory: LimitMemory = field(default_factory=LimitMemory)
    writer: SlotWriter = field(init=False)
    feed: LimitFeed = field(init=False)

    def __post_init__(self) -> None:
        self.writer = SlotWriter(self.calls.counting)
        self.feed = LimitFeed(self.calls.counting, self.memory)

    async def count(self, call: NewCall, seconds: float) -> NewCall | None:
        """A call with its limits counted: recorded if it is let in. None: it is recorded already.
        Raises `RecordsUnavailableError`."""
        counted = await self.writer.count(call, seconds)
        if counted is not None:
            self.note(counted)
        return counted

    async def decide_alone(
        self, call: NewCall, judge: Callable[[], Awaitable[NewCall]] | None
    ) -> NewCall | StoredDecision:
        """What holds for a call that could not be recorded: the decision of another replica, else the
        one that `judge` makes, within the share of this replica."""
        if (found := await self.find_recorded(call)) is not None:
            return found
        return self.decide_by_share(call if judge is None else await judge())

    async def find_recorded(self, call: NewCall) -> StoredDecision | None:
        """The decision on a call that could not be counted in time, if another replica recorded one and
        PostgreSQL says so at once."""
        if not call.wants_slots:
            return None
        await self.feed.refresh()
        if not self.feed.is_fresh:
            return None
        with suppress(*UNAVAILABLE):
            async with at_most(REFRESH_SECONDS):
                found = (await self.calls.find_decisions([call.vapi_call_id])).values()
            return next((one for one in found if one.key == call.key), None)
        return None

    def decide_by_share(self, call: NewCall) -> NewCall:
        """The call as this replica lets it in or denies it by itself.

        A denial is a guess: another replica may have let the call in, and its record is not to be seen
        now. So the call is not hung up before the denial is recorded.
        """
        if not call.wants_slots:
            return call
        call = self.memory.decide_by_share(call)
        self.note(call)
        after = call.hangup_after_seconds
        if after is None:
            return call
        return replace(call, guessed=True, hangup_after_seconds=max(after, GUESS_SECONDS))

    def note(self, call: NewCall) -> None:
        self.memory.note_decision(call.decision)
        self.memory.note_call(call)

    def note_end(self, call_id: str, known: KnownCall | None) -> None:
        """The end of a call is recorded: its slots are free."""
        if known is not None:
            self.memory.note_end(call_id, known.organization_id, known.slots)
