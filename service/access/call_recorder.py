"""Records calls and their ends, in PostgreSQL or else in the spool, before anything acts on them.

Only an assistant-request is answered beside its record (`answered_calls`), unless limits are to be
counted for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from service.access.answered_calls import RECORD_SECONDS, AnsweredCalls, FirstRecord
from service.access.connected_calls import ConnectedCalls
from service.access.enforcement.first_attempts import FirstAttempts, blocked_call
from service.access.first_message import announce, announce_claim
from service.access.known_calls import KnownCall, KnownCalls, known_from, known_from_stored
from service.access.limits.call_slots import CallSlots
from service.access.observers.call_observers import CallObservers
from service.access.recent_records import RecentRecords
from service.access.usage.callers import CallerMemory
from service.access.usage.memory import UsageMemory
from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import CallEnd, NewCall
from service.store.bounded import at_most
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.calls.hangups import Reopened
from service.store.calls.spool import Entry, Spool
from service.store.calls.writer import CallWriter, Recorded, RecordsUnavailableError
from service.store.pool import UNAVAILABLE

log = structlog.get_logger()


@dataclass(slots=True)
class CallRecorder:
    """Keeps one decision per call and organization: the row in PostgreSQL is the decision of the
    call's own organization, a claim that of another one; `known` is a cache of both. With PostgreSQL
    away the spool records, and the first hang-up is attempted from memory.
    """

    calls: CallStore
    writer: CallWriter
    spool: Spool
    attempts: FirstAttempts
    record_step: StepRecorder = ignore_step
    known: KnownCalls = field(default_factory=KnownCalls)
    observers: CallObservers = field(default_factory=CallObservers)
    background: set[asyncio.Task[object]] = field(default_factory=set)
    usage: UsageMemory = field(default_factory=UsageMemory)
    callers: CallerMemory = field(default_factory=CallerMemory)
    answered: AnsweredCalls = field(init=False)
    slots: CallSlots = field(init=False)
    recent: RecentRecords = field(init=False)
    connected: ConnectedCalls = field(init=False)

    def __post_init__(self) -> None:
        self.recent = RecentRecords(self.calls, self.spool)
        self.connected = ConnectedCalls(self.calls, self.spool)
        self.slots = CallSlots(self.calls)
        self.answered = AnsweredCalls(self.writer, self.spool, self.known, self.usage, self.finish)

    async def record(
        self, call: NewCall, decide_alone: Callable[[], Awaitable[NewCall]] | None = None
    ) -> FirstRecord:
        """Record a call in PostgreSQL, or else in the spool, as `decide_alone` decides it.

        True if this decision is the first one for its organization.
        """
        version = self.usage.note_call(call)
        known, first = await self.record_or_keep(call, decide_alone)
        if call.vapi_call_id not in self.known.unconfirmed:
            self.usage.note_stored(call.key, version, granted=known.allowed)
        return known, first

    async def record_or_keep(
        self, call: NewCall, decide_alone: Callable[[], Awaitable[NewCall]] | None
    ) -> FirstRecord:
        recorded = None
        try:
            if call.wants_slots:
                counted = await self.slots.count(call, RECORD_SECONDS)
                if counted is not None and counted.decision.allowed:
                    return self.note_first(counted), True
                call, decide_alone = counted or replace(call, refusal=None), None
            recorded = await self.writer.record(call, RECORD_SECONDS)
        except RecordsUnavailableError:
            alone = await self.slots.decide_alone(call, decide_alone)
            if isinstance(alone, StoredDecision):
                return known_from_stored(alone), False
            call = alone
        return await self.finish(call, recorded)

    async def finish(self, call: NewCall, recorded: Recorded | None) -> FirstRecord:
        """Act on how a call was recorded; None: PostgreSQL did not confirm it."""
        if recorded is None:
            return await self.keep_for_later(call), True
        if recorded.stored is not None and recorded.stored.owner is not None:
            return self.note_claim(call, recorded.stored, first=recorded.first), recorded.first
        if recorded.first:
            return self.note_first(call), True
        assert recorded.stored is not None, "a later record carries the stored decision"
        return known_from_stored(recorded.stored), False

    def note_first(self, call: NewCall) -> KnownCall:
        """Act on the first decision on a call. A guess is read back within a second: later messages
        restart its hang-up, once that is due."""
        self.recent.note_call(call)
        announce(call)
        self.observers.tell_decided(call)
        if call.hangup_after_seconds == 0:
            self.attempts.start(blocked_call(call, recorded=True))
        if call.guessed:
            self.known.unconfirmed[call.vapi_call_id] = None
        return known_from(call)

    async def keep_for_later(self, call: NewCall) -> KnownCall:
        """Spool a call while PostgreSQL is away, and hang it up from memory if it is blocked."""
        await self.spool.keep(Entry(call=replace(call, acted=True, refusal=None)))
        self.recent.note_call(call)
        self.known.unconfirmed[call.vapi_call_id] = None
        main = self.known.get(call.vapi_call_id)
        contested = main is not None and main.organization_id not in (None, call.organization_id)
        if contested and main is not None:
            announce_claim(call, main.organization_id)
        else:
            announce(call)
            self.observers.tell_decided(call)
        if call.hangup_after_seconds == 0:
            # Of a contested call Vapi alone may give the control URL, with whose call it is.
            own = replace(call, control_url=None) if contested else call
            self.attempts.start(blocked_call(own, recorded=False))
        return known_from(call)

    def note_claim(self, call: NewCall, stored: StoredDecision, *, first: bool) -> KnownCall:
        """Cache a claim beside its call; a new one is logged and shown with the call."""
        assert stored.owner is not None
        self.known.put_owner(call.vapi_call_id, known_from_stored(stored.owner))
        if first:
            announce_claim(call, stored.owner.organization_id)
            detail = {
                "organization_id": str(call.organization_id),
                "effect": call.decision.effect.value,
                "reason": call.decision.reason,
            }
            self.record_step(call.vapi_call_id, "claimed", detail)
        return known_from_stored(stored)

    async def record_end(self, end: CallEnd) -> None:
        """Close a call in PostgreSQL, or else in the spool. It is safe when this returns."""
        key = end.vapi_call_id, end.organization_id
        version = self.usage.note_end(end, end.reported_at or end.ended_at)
        await self.answered.wait_for(key)
        hung_up = end.call is not None and end.call.hangup_after_seconds is not None
        # Whether or not the call's record waits in the spool: they merge in any order, and a spool that
        # takes long to empty must not get all ends meanwhile.
        if self.writer.available:
            try:
                async with at_most(RECORD_SECONDS):
                    result = await self.calls.record_end(end)
            except UNAVAILABLE:
                self.writer.rest()
            except Exception:
                # A bug of ours, or a value that PostgreSQL rejects: the end is still kept on disk.
                log.exception("call.end_refused_by_database", call_id=end.vapi_call_id)
            else:
                self.usage.note_stored(key, version)
                if result in ("closed", "refused"):  # a refused call may just change its owner
                    self.recent.note_end(end)
                if result == "closed":
                    self.slots.note_end(key[0], self.known.find(*key))
                    self.observers.tell_ended(end, end.organization_id, hung_up=hung_up)
                return
        await self.spool.keep(Entry(end=end))
        self.recent.note_end(end)
        if not hung_up:
            self.slots.note_end(key[0], self.known.find(*key))
            self.observers.tell_ended(end, end.organization_id)

    async def restart_hangup(self, call: NewCall) -> None:
        """Start the ladder of a call that still talks again; the queue keeps it to one job a call.

        `call` is what this replica knows of it: recorded if its row is gone, as after a failover.
        """
        call_id, organization_id = call.key
        await self.answered.wait_for(call.key)
        reopened: Reopened = "unknown"
        try:
            async with self.recorded():
                reopened = await self.calls.reopen_hangup(
                    call_id, call.control_url, organization_id
                )
                if reopened == "unknown":
                    await self.record_again([call])
        except UNAVAILABLE:
            self.attempts.start(blocked_call(call, recorded=False))
            return
        if reopened in ("reopened", "unknown"):
            log.warning("call.hangup_restarted", call_id=call_id)
            self.record_step(call_id, "hangup.restarted", {})
            self.attempts.start(blocked_call(call, recorded=True))

    async def ask_owner(self, owner: NewCall, claim: NewCall) -> None:
        """Have Vapi asked whose call it is: a message names another organization than the call's. Both
        are recorded if their rows are gone."""
        await self.answered.wait_for(claim.key)
        try:
            async with self.recorded():
                asked = await self.calls.ask_owner(*claim.key)
                if asked == "no_call":
                    await self.record_again([owner])
                if asked != "asked":
                    await self.record_again([claim])
        except UNAVAILABLE:
            if claim.decision.allowed:
                return
            unlisted = replace(claim, control_url=None)
            self.attempts.start(blocked_call(unlisted, recorded=False))

    async def record_again(self, calls: list[NewCall]) -> None:
        """Record calls whose rows are gone, with the decisions that were made."""
        await self.calls.record_calls(calls)
        for call in calls:
            log.warning("call.recorded_again", call_id=call.vapi_call_id)

    async def reload(self, call_id: str) -> None:
        """Cache the decision of the call's organization afresh, as it stands in PostgreSQL. Raises one
        of `UNAVAILABLE`."""
        async with self.recorded():
            stored = (await self.calls.find_decisions([call_id])).get(call_id)
        if stored is not None:
            self.known.update(call_id, known_from_stored(stored))

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        """A bounded use of PostgreSQL. Raises one of `UNAVAILABLE`: at once for a moment after a use
        that failed, so that the next messages do not wait for it."""
        if not self.writer.available:
            raise TimeoutError
        try:
            async with at_most(RECORD_SECONDS):
                yield
        except UNAVAILABLE:
            self.writer.rest()
            raise

    def start(self, work: Awaitable[object]) -> None:
        """Run beside the reply, which never waits for a hang-up."""

        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("call.hangup_failed")

        task: asyncio.Task[object] = asyncio.create_task(run())
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def drain(self, seconds: float) -> None:
        """Wait for what was started, at most `seconds`."""
        under_way: set[asyncio.Future[Any]] = {*self.background, *self.answered.recording.values()}
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)
        await self.attempts.drain(seconds)
