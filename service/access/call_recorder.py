"""Records calls and their ends, in PostgreSQL or else in the spool, before anything acts on them.

An assistant-request is answered from memory. Its record is noted on this machine's disk first, so that a
killed process loses none, and is written to PostgreSQL beside the answer: waiting for the commit would
cost most of the time that an answer may take. Only an answer that is alone waits for its record, for a
moment: the next reader then finds it, and it learns of another replica's decision.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from service.access.first_message import announce
from service.access.known_calls import KnownCall, KnownCalls, known_from, known_from_stored
from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import CallEnd, NewCall
from service.store.calls.hangups import reopen_hangup
from service.store.calls.records import record_end
from service.store.calls.spool import Entry, Spool
from service.store.calls.spool_notes import NotesFile
from service.store.calls.writer import CallWriter, RecordsUnavailableError
from service.store.pool import UNAVAILABLE, Pool

PROMPT_SECONDS = 0.05
"""How long the answer to a lone assistant-request waits for its record; too short to be heard."""
RECORD_SECONDS = 2.0

log = structlog.get_logger()

HangUpNow = Callable[[str, str | None], Awaitable[object]]
"""The first attempt from memory, when PostgreSQL cannot take the job."""


@dataclass(slots=True)
class CallRecorder:
    """Keeps one decision a call: the row in PostgreSQL is the decision, `known` a cache of it.

    With PostgreSQL away the spool records, and the first hang-up is attempted from memory.
    """

    pool: Pool
    writer: CallWriter
    spool: Spool
    hang_up_now: HangUpNow
    record_step: StepRecorder = ignore_step
    known: KnownCalls = field(default_factory=KnownCalls)
    recording: dict[str, asyncio.Task[tuple[KnownCall, bool]]] = field(default_factory=dict)
    background: set[asyncio.Task[object]] = field(default_factory=set)

    async def record(self, call: NewCall) -> tuple[KnownCall, bool]:
        """Record a call in PostgreSQL, or else in the spool; True if this decision is the call's."""
        try:
            recorded = await self.writer.record(call, RECORD_SECONDS)
        except RecordsUnavailableError:
            await self.spool.keep(Entry(call=call))
            announce(call)
            if call.hangup_after_seconds == 0:
                self.start(self.hang_up_now(call.vapi_call_id, call.control_url))
            return known_from(call), True
        if recorded.first:
            announce(call)
            return known_from(call), True
        assert recorded.stored is not None, "a later record carries the stored decision"
        return known_from_stored(recorded.stored), False

    async def record_beside_answer(self, call: NewCall) -> tuple[KnownCall, bool]:
        """Record a call while its assistant-request is answered; the answer waits only if alone."""
        alone = not self.recording
        page = self.spool.note(Entry(call=call))
        recording = asyncio.create_task(self.record_noted(call, page))
        self.recording[call.vapi_call_id] = recording
        if alone:
            await asyncio.wait({recording}, timeout=PROMPT_SECONDS)
            if recording.done() and not recording.cancelled():
                return recording.result()
        return known_from(call), True

    async def record_noted(self, call: NewCall, page: NotesFile | None) -> tuple[KnownCall, bool]:
        """Write a record whose answer may already be given.

        If another replica was first after all, its decision holds from the call's next message on.
        """
        call_id = call.vapi_call_id
        try:
            known, first = await self.record(call)
        except Exception:
            # The note stays, for the next process to take over.
            log.exception("call.not_recorded", call_id=call_id)
            return known_from(call), True
        finally:
            self.recording.pop(call_id, None)
        if page is not None:
            self.spool.notes.remove(page)
        if not first:
            self.known.replace(call_id, known)
        return known, first

    async def wait_until_recorded(self, call_id: str) -> None:
        """Wait until a call's record is in PostgreSQL or in the spool; usually it already is."""
        recording = self.recording.get(call_id)
        if recording is not None:
            await asyncio.wait({recording}, timeout=RECORD_SECONDS + 0.5)

    async def record_end(self, end: CallEnd) -> None:
        """Close a call in PostgreSQL, or else in the spool. It is safe when this returns."""
        await self.wait_until_recorded(end.vapi_call_id)
        # While records wait in the spool the call may be one of them: its end goes behind it.
        if self.writer.available and not self.spool.waiting:
            try:
                async with asyncio.timeout(RECORD_SECONDS):
                    await record_end(self.pool, end)
            except UNAVAILABLE:
                self.writer.rest()
            else:
                return
        await self.spool.keep(Entry(end=end))

    async def restart_hangup(self, call_id: str, control_url: str | None) -> None:
        """Start the ladder of a blocked call again; the queue keeps it to one job a call."""
        await self.wait_until_recorded(call_id)
        try:
            if not self.writer.available:
                raise TimeoutError
            async with asyncio.timeout(RECORD_SECONDS):
                if await reopen_hangup(self.pool, call_id, control_url):
                    log.warning("call.hangup_restarted", call_id=call_id)
                    self.record_step(call_id, "hangup.restarted", {})
        except UNAVAILABLE:
            self.writer.rest()
            await self.hang_up_now(call_id, control_url)

    def start(self, work: Awaitable[object]) -> None:
        """Run beside the reply, which never waits for a hang-up."""

        async def run() -> object:
            try:
                return await work
            except Exception:
                log.exception("call.hangup_failed")
                return None

        task: asyncio.Task[object] = asyncio.create_task(run())
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def drain(self, seconds: float) -> None:
        """Wait for what was started, at most `seconds`."""
        if under_way := {*self.background, *self.recording.values()}:
            await asyncio.wait(under_way, timeout=seconds)
