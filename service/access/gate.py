"""The gate: one decision per call, recorded before it is acted on, whatever order messages come in.

Two replicas, duplicates and restarts: the row in PostgreSQL is the decision; what is in memory here
is a copy in front of it. With PostgreSQL away memory decides, the spool records, and the first
hang-up is tried all the same: a blocked call must not talk, and a paying one must not be blocked.

An assistant-request is answered from memory. Its record is noted on this machine's disk first, so that
a killed process loses none, and is written to PostgreSQL beside the answer: waiting for the commit would
cost most of the time that an answer may take. Only an answer that is alone waits for its record, for
a moment: whoever asks next then finds it, and it learns of another replica's decision.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import structlog

from policies.contract import CallFacts, Effect
from service.access.directory import AccessDirectory, Registration
from service.access.first_message import announce, new_call
from service.access.known_calls import KnownCall, known_from, known_from_stored
from service.access.policies.chain import DecisionChain
from service.access.policies.request import build_request
from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import CallEnd, NewCall
from service.domain.decisions import Decision
from service.settings import DEFAULT_BLOCKED_MESSAGE
from service.store.calls.records import record_end, reopen_hangup
from service.store.calls.spool import Entry, Spool
from service.store.calls.spool_notes import NotesFile
from service.store.calls.writer import CallWriter, RecordsUnavailableError
from service.store.pool import UNAVAILABLE, Pool
from service.vapi.messages import ServerMessage

UNKNOWN_REASON = "unknown_phone_number"

PROMPT_SECONDS = 0.05
"""How long the answer to a lone assistant-request waits for its record; too short to be heard."""
RECORD_SECONDS = 2.0
AGAIN_SECONDS = 2.0
KNOWN_CALLS = 50_000

log = structlog.get_logger()


HangUpNow = Callable[[str, str | None], Awaitable[object]]
"""The first attempt from memory, when PostgreSQL cannot take the job."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """How to answer a message: `registration` is None for a number that nobody registered. `first`:
    this message brought the decision about."""

    registration: Registration | None
    allowed: bool
    reason: str
    decision_id: str
    first: bool = False


@dataclass(slots=True)
class AccessGate:
    """Decides and enforces; the webhook only turns rulings into replies."""

    directory: AccessDirectory
    chain: DecisionChain
    writer: CallWriter
    spool: Spool
    pool: Pool
    hang_up_now: HangUpNow
    blocked_message: str = DEFAULT_BLOCKED_MESSAGE
    record_step: StepRecorder = ignore_step
    known: OrderedDict[str, KnownCall] = field(default_factory=OrderedDict)
    deciding: dict[str, asyncio.Future[KnownCall]] = field(default_factory=dict)
    settling: dict[str, asyncio.Task[tuple[KnownCall, bool]]] = field(default_factory=dict)
    background: set[asyncio.Task[object]] = field(default_factory=set)

    async def handle(self, message: ServerMessage) -> Ruling:
        """Rule on one message of a call and do what follows from it."""
        registration = self.directory.find(message.phone_number_ids, message.assistant_ids)
        if message.call_id is None:
            decision = await self.decide(message, registration)
            return Ruling(registration, decision.allowed, decision.reason, str(decision.id))
        first = False
        known = self.known.get(message.call_id)
        if known is None or (known.organization_id is None and registration is not None):
            known, first = await self.first_seen(message.call_id, message, registration)
        else:
            self.known.move_to_end(message.call_id)
            await self.seen_again(message.call_id, known, message)
        if known.organization_id is None and registration is not None:
            registration = None
        return Ruling(registration, known.allowed, known.reason, known.decision_id, first)

    async def first_seen(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> tuple[KnownCall, bool]:
        """Decide a call that this replica has not seen; copies that come meanwhile wait for it. True
        if the decision is this message's."""
        under_way = self.deciding.get(call_id)
        if under_way is not None:
            known = await asyncio.shield(under_way)
            await self.seen_again(call_id, known, message)
            return known, False
        future: asyncio.Future[KnownCall] = asyncio.get_running_loop().create_future()
        self.deciding[call_id] = future
        try:
            known, first = await self.record(call_id, message, registration)
        except BaseException as exc:
            future.set_exception(exc if isinstance(exc, Exception) else RecordsUnavailableError())
            future.exception()
            raise
        finally:
            del self.deciding[call_id]
        self.remember(call_id, known)
        future.set_result(known)
        if not first:
            await self.seen_again(call_id, known, message)
        return known, first

    async def record(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> tuple[KnownCall, bool]:
        """Make the decision, or learn the one that was made; True if it is ours and the first."""
        decision = await self.decide(message, registration)
        call = new_call(
            call_id,
            message,
            registration,
            decision,
            now=self.directory.now(),
            default_message=self.blocked_message,
        )
        if message.type == "assistant-request":
            return await self.record_beside(call)
        return await self.write(call)

    async def write(self, call: NewCall) -> tuple[KnownCall, bool]:
        """Record a call in PostgreSQL, or else in the spool."""
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
        assert recorded.stored is not None, "whoever is not the first learns of the first"
        return known_from_stored(recorded.stored), False

    async def record_beside(self, call: NewCall) -> tuple[KnownCall, bool]:
        """Record a call beside the answer to its assistant-request, which waits only if it is alone."""
        alone = not self.settling
        page = self.spool.note(Entry(call=call))
        settling = asyncio.create_task(self.settle(call, page))
        self.settling[call.vapi_call_id] = settling
        if alone:
            await asyncio.wait({settling}, timeout=PROMPT_SECONDS)
            if settling.done() and not settling.cancelled():
                return settling.result()
        return known_from(call), True

    async def settle(self, call: NewCall, page: NotesFile | None) -> tuple[KnownCall, bool]:
        """Write the record whose answer may be given already. Where another replica was first after
        all, its decision is the call's, from the next message on."""
        call_id = call.vapi_call_id
        try:
            known, first = await self.write(call)
        except Exception:
            # The note stays, for the next process to take over.
            log.exception("call.not_recorded", call_id=call_id)
            return known_from(call), True
        finally:
            self.settling.pop(call_id, None)
        if page is not None:
            self.spool.notes.settle(page)
        earlier = self.known.get(call_id)
        if earlier is not None and not first:
            known.ended = known.ended or earlier.ended
            self.known[call_id] = known
        return known, first

    async def settled(self, call_id: str) -> None:
        """Wait until the record of a call is in PostgreSQL or in the spool, as a rule no time at all."""
        settling = self.settling.get(call_id)
        if settling is not None:
            await asyncio.wait({settling}, timeout=RECORD_SECONDS + 0.5)

    async def decide(self, message: ServerMessage, registration: Registration | None) -> Decision:
        """Ask the chain; a number that nobody registered is denied without it."""
        at = self.directory.now()
        if registration is None:
            basis = self.directory.basis
            return Decision(uuid4(), Effect.DENY, UNKNOWN_REASON, None, basis, (), at)
        facts = None
        if message.call_id is not None:
            facts = CallFacts(
                message.call_id,
                message.call_type,
                message.caller_number,
                message.assistant_ids[0] if message.assistant_ids else None,
            )
        request = build_request(registration.organization, at, registration.phone_number, facts)
        return await self.chain.decide(request, basis=self.directory.basis)

    async def seen_again(self, call_id: str, known: KnownCall, message: ServerMessage) -> None:
        """A later message: it may end the call, or show that a blocked one still talks."""
        if message.ends_call:
            known.ended = True
            await self.end(call_id, message)
        elif not known.allowed and known.organization_id is not None and not known.ended:
            fresh_url = message.control_url is not None and not known.had_control_url
            waited = time.monotonic() - known.hung_up_at
            if message.type != "assistant-request" and (fresh_url or waited > AGAIN_SECONDS):
                known.hung_up_at = time.monotonic()
                known.had_control_url = known.had_control_url or message.control_url is not None
                self.start(self.hang_up_again(call_id, message.control_url))

    async def end(self, call_id: str, message: ServerMessage) -> None:
        """Close the call; told only after it is kept."""
        end = CallEnd(
            call_id,
            message.ended_at or message.at or self.directory.now(),
            message.ended_reason,
            message.duration_seconds,
            message.cost,
        )
        await self.settled(call_id)
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

    async def hang_up_again(self, call_id: str, control_url: str | None) -> None:
        """Start the ladder of a blocked call again; one at a time, which the queue sees to."""
        await self.settled(call_id)
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

    def remember(self, call_id: str, known: KnownCall) -> None:
        self.known[call_id] = known
        while len(self.known) > KNOWN_CALLS:
            self.known.popitem(last=False)

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
        """Let what was started finish."""
        if under_way := {*self.background, *self.settling.values()}:
            await asyncio.wait(under_way, timeout=seconds)
