"""Records of calls whose assistant-request is answered from memory.

Each is noted on this machine's disk first, so that a killed process loses none, and is written to
PostgreSQL beside the answer, with those that came meanwhile: waiting would cost most of the time that an
answer may take. Only a lone answer waits for its record, for a moment, so that the next reader finds it,
and one that comes while too many are on their way, so that they do not grow without bound.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from service.access.known_calls import KnownCall, KnownCalls, known_from
from service.access.usage.memory import UsageMemory
from service.domain.calls import CallKey, NewCall
from service.store.calls.spool import Entry, Spool
from service.store.calls.spool_notes import NotesFile
from service.store.calls.writer import CallWriter, Recorded

PROMPT_SECONDS = 0.05
"""How long the answer to a lone assistant-request waits for its record; too short to be heard."""
RECORD_SECONDS = 2.0
MOST = 5_000
"""Records on their way beyond which answers wait for their own."""

FirstRecord = tuple[KnownCall, bool]
"""What holds of a call, and whether this record brought it about."""
Finish = Callable[[NewCall, Recorded | None], Awaitable[FirstRecord]]

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class AnsweredCall:
    """A call whose answer does not wait for its record; `page` is where it is noted on the disk.

    `version` is that of its record in the usage memory.
    """

    call: NewCall
    page: NotesFile | None
    version: int
    done: asyncio.Future[FirstRecord]


@dataclass(slots=True)
class AnsweredCalls:
    """The records on their way, beyond `most` of which answers wait. `finish` acts on how each was
    recorded; None: PostgreSQL did not confirm it."""

    writer: CallWriter
    spool: Spool
    known: KnownCalls
    usage: UsageMemory
    finish: Finish
    most: int = MOST
    recording: dict[CallKey, asyncio.Future[FirstRecord]] = field(default_factory=dict)
    waiting: list[AnsweredCall] = field(default_factory=list)
    writing: asyncio.Task[None] | None = None

    @property
    def answers_wait(self) -> bool:
        """Whether the next answer is to wait for its record: it is alone, or too many are on their
        way."""
        return not 0 < len(self.recording) < self.most

    async def record(self, call: NewCall) -> FirstRecord:
        """Record a call beside its answer. If another replica was first after all, its decision holds
        from the call's next message on."""
        seconds = PROMPT_SECONDS if not self.recording else RECORD_SECONDS
        waits = self.answers_wait
        done = self.note(call)
        if waits:
            await asyncio.wait({done}, timeout=seconds)
        return done.result() if done.done() else (known_from(call), True)

    def note(self, call: NewCall) -> asyncio.Future[FirstRecord]:
        """Note a call on the disk, and have it recorded with the next ones."""
        version = self.usage.note_call(call)
        page = self.spool.note(Entry(call=replace(call, acted=True)))
        done: asyncio.Future[FirstRecord] = asyncio.get_running_loop().create_future()
        self.recording[call.key] = done
        self.waiting.append(AnsweredCall(call, page, version, done))
        if self.writing is None or self.writing.done():
            self.writing = asyncio.create_task(self.write())
        return done

    async def write(self) -> None:
        """Write until none waits, all that arrived meanwhile at once."""
        while self.waiting:
            batch, self.waiting = self.waiting, []
            kept = []
            for answered, one in zip(batch, await self.write_batch(batch), strict=True):
                if one is None:
                    kept.append(self.end(answered, None))  # lines for the disk share one write
                else:
                    await self.end(answered, one)
            await asyncio.gather(*kept)

    async def write_batch(self, batch: Sequence[AnsweredCall]) -> Sequence[Recorded | None]:
        """How each call was recorded; None: PostgreSQL did not confirm it. Never raises."""
        try:
            return await self.writer.record_all([one.call for one in batch], RECORD_SECONDS)
        except Exception:
            # A bug of ours: the calls are kept on the disk, and no answer waits for them.
            log.exception("calls.not_recorded_together", calls=len(batch))
            return [None] * len(batch)

    async def end(self, answered: AnsweredCall, recorded: Recorded | None) -> None:
        """Act on how a call was recorded. Never raises."""
        call, call_id = answered.call, answered.call.vapi_call_id
        known, first = known_from(call), True
        try:
            known, first = await self.finish(call, recorded)
            if call_id not in self.known.unconfirmed:
                self.usage.note_stored(call.key, answered.version, granted=known.allowed)
            if answered.page is not None:
                self.spool.notes.remove(answered.page)
            if not first:
                self.known.put(call_id, known)
        except Exception:
            # The note stays, for the next process to take over.
            log.exception("call.not_recorded", call_id=call_id)
        finally:
            self.recording.pop(call.key, None)
            answered.done.set_result((known, first))

    async def wait_for(self, key: CallKey) -> None:
        """Wait until a call's record is in PostgreSQL or in the spool; usually it already is."""
        recording = self.recording.get(key)
        if recording is not None:
            await asyncio.wait({recording}, timeout=RECORD_SECONDS + 0.5)
