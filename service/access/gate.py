"""The gate: one decision per call, recorded before it is acted on, whatever order messages come in.

Two replicas, duplicates and restarts: the row in PostgreSQL is the decision; what is in memory here
is a copy in front of it. With PostgreSQL away memory decides, the spool records, and the first
hang-up is tried all the same: a blocked call must not talk, and a paying one must not be blocked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from policies.contract import AccessRequest, CallFacts, Effect
from service.access.directory import AccessDirectory, Registration
from service.access.explain import build_request
from service.access.first_message import announce, new_call
from service.access.known_calls import KnownCall, known_from, known_from_stored
from service.domain.calls import CallEnd, NewCall
from service.domain.decisions import Basis, Decision
from service.settings import DEFAULT_BLOCKED_MESSAGE
from service.store.call_writer import CallWriter, Recorded, RecordsUnavailableError
from service.store.calls import record_end, reopen_hangup
from service.store.pool import UNAVAILABLE, Pool
from service.store.spool import Entry, Spool
from service.vapi.messages import ServerMessage

UNKNOWN_REASON = "unknown_phone_number"

PROMPT_SECONDS = 0.05
"""How long the answer to an assistant-request waits for its record: as a rule that is enough for it,
and to learn of a decision that another replica made, and it is never long enough to be heard."""
ANSWER_SECONDS = 2.3
"""How long the answer to an assistant-request may take in all; Vapi gives 7.5 s end to end."""
RECORD_SECONDS = 2.0
AGAIN_SECONDS = 2.0
KNOWN_CALLS = 50_000

log = structlog.get_logger()


class Chain(Protocol):
    """The policies, as the gate asks them."""

    async def decide(self, request: AccessRequest, *, basis: Basis) -> Decision: ...


HangUpNow = Callable[[str, str | None], Awaitable[object]]
"""The first attempt from memory, when PostgreSQL cannot take the job."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """How to answer a message: `registration` is None for a number that nobody registered."""

    registration: Registration | None
    allowed: bool
    reason: str
    decision_id: UUID


@dataclass(slots=True)
class Gate:
    """Decides and enforces; the webhook only turns rulings into replies."""

    directory: AccessDirectory
    chain: Chain
    writer: CallWriter
    spool: Spool
    pool: Pool
    hang_up_now: HangUpNow
    blocked_message: str = DEFAULT_BLOCKED_MESSAGE
    known: OrderedDict[str, KnownCall] = field(default_factory=OrderedDict)
    deciding: dict[str, asyncio.Future[KnownCall]] = field(default_factory=dict)
    background: set[asyncio.Task[object]] = field(default_factory=set)

    async def handle(self, message: ServerMessage) -> Ruling:
        """Rule on one message of a call and do what follows from it."""
        registration = self.directory.find(message.phone_number_ids, message.assistant_ids)
        if message.call_id is None:
            decision = await self.decide(message, registration)
            return Ruling(registration, decision.allowed, decision.reason, decision.id)
        known = self.known.get(message.call_id)
        if known is None or (known.organization_id is None and registration is not None):
            known = await self.first_seen(message.call_id, message, registration)
        else:
            self.known.move_to_end(message.call_id)
            await self.seen_again(message.call_id, known, message)
        if known.organization_id is None and registration is not None:
            registration = None
        return Ruling(registration, known.allowed, known.reason, known.decision_id)

    async def first_seen(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> KnownCall:
        """Decide a call that this replica has not seen; copies that come meanwhile wait for it."""
        under_way = self.deciding.get(call_id)
        if under_way is not None:
            known = await asyncio.shield(under_way)
            await self.seen_again(call_id, known, message)
            return known
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
        return known

    async def record(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> tuple[KnownCall, bool]:
        """Make the decision, or learn the one that was made; True if it is ours and the first."""
        began = time.monotonic()
        decision = await self.decide(message, registration)
        call = new_call(
            call_id,
            message,
            registration,
            decision,
            now=self.directory.now(),
            default_message=self.blocked_message,
        )
        seconds, asked = RECORD_SECONDS, message.type == "assistant-request"
        if asked:
            seconds = max(ANSWER_SECONDS - (time.monotonic() - began), 0.1)
        recording = asyncio.ensure_future(self.writer.record(call, seconds))
        if asked:
            await asyncio.wait({recording}, timeout=PROMPT_SECONDS)
            if not recording.done():
                # Vapi waits: the answer stands, and its record follows.
                self.spool.note(Entry(call=call))
                self.start(self.settle(call, recording))
                return known_from(call), True
        try:
            recorded = await recording
        except RecordsUnavailableError:
            await self.spool.keep(Entry(call=call))
            known = known_from(call)
            announce(call)
            if call.hangup_after_seconds == 0:
                self.start(self.hang_up_now(call_id, call.control_url))
            return known, True
        if recorded.first:
            announce(call)
            return known_from(call), True
        assert recorded.stored is not None, "whoever is not the first learns of the first"
        return known_from_stored(recorded.stored), False

    async def settle(self, call: NewCall, recording: asyncio.Future[Recorded]) -> None:
        """The record of a call whose assistant-request is answered already. Where another replica was
        first after all, its decision is the call's, from the next message on."""
        taken = False
        try:
            recorded = await recording
            taken = True
        except RecordsUnavailableError:
            announce(call)
            return
        finally:
            self.spool.settle(taken=taken)
        if recorded.stored is not None:
            self.remember(call.vapi_call_id, known_from_stored(recorded.stored))
        else:
            announce(call)

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
        try:
            if not self.writer.available:
                raise TimeoutError
            async with asyncio.timeout(RECORD_SECONDS):
                await record_end(self.pool, end)
        except UNAVAILABLE:
            self.writer.rest()
            await self.spool.keep(Entry(end=end))

    async def hang_up_again(self, call_id: str, control_url: str | None) -> None:
        """Start the ladder of a blocked call again; one at a time, which the queue sees to."""
        try:
            if not self.writer.available:
                raise TimeoutError
            async with asyncio.timeout(RECORD_SECONDS):
                if await reopen_hangup(self.pool, call_id, control_url):
                    log.warning("call.hangup_restarted", call_id=call_id)
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
        if self.background:
            await asyncio.wait(self.background, timeout=seconds)
