"""The gate: one decision per call, recorded before it is acted on, whatever order messages come in.

Two replicas, duplicates and restarts: the row in PostgreSQL is the decision; what is in memory is a
cache in front of it. With PostgreSQL away memory decides, the spool records, and the first hang-up is
attempted all the same: a blocked call must not talk, and a paying one must not be blocked.
"""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import uuid4

from policies.contract import CallFacts, Effect
from service.access.call_recorder import CallRecorder
from service.access.directory import AccessDirectory, Registration
from service.access.first_message import new_call
from service.access.known_calls import KnownCall
from service.access.policies.chain import DecisionChain
from service.access.policies.request import build_request
from service.domain.calls import CallEnd
from service.domain.decisions import Decision
from service.settings import DEFAULT_BLOCKED_MESSAGE
from service.store.calls.writer import RecordsUnavailableError
from service.vapi.message_types import ASSISTANT_REQUEST
from service.vapi.messages import ServerMessage

UNKNOWN_REASON = "unknown_phone_number"
RESTART_SECONDS = 2.0
"""A blocked call that still sends messages this long after a hang-up is hung up again."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """How to answer a message. `registration` is None for a number that is not registered.

    `first`: this message brought the decision about.
    """

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
    recorder: CallRecorder
    blocked_message: str = DEFAULT_BLOCKED_MESSAGE
    deciding: dict[str, asyncio.Future[KnownCall]] = field(default_factory=dict)

    async def handle(self, message: ServerMessage) -> Ruling:
        """Rule on one message of a call and do what follows from it."""
        registration = self.directory.find(message.phone_number_ids, message.assistant_ids)
        if message.call_id is None:
            decision = await self.decide(message, registration)
            return Ruling(registration, decision.allowed, decision.reason, str(decision.id))
        first = False
        known = self.recorder.known.get(message.call_id)
        if known is None or (known.organization_id is None and registration is not None):
            known, first = await self.handle_first(message.call_id, message, registration)
        else:
            await self.handle_later(message.call_id, known, message)
        if known.organization_id is None and registration is not None:
            registration = None
        return Ruling(registration, known.allowed, known.reason, known.decision_id, first)

    async def handle_first(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> tuple[KnownCall, bool]:
        """Decide a call that this replica has not seen; copies that arrive meanwhile wait for it.

        True if the decision is this message's.
        """
        under_way = self.deciding.get(call_id)
        if under_way is not None:
            known = await asyncio.shield(under_way)
            await self.handle_later(call_id, known, message)
            return known, False
        future: asyncio.Future[KnownCall] = asyncio.get_running_loop().create_future()
        self.deciding[call_id] = future
        try:
            known, first = await self.decide_and_record(call_id, message, registration)
        except BaseException as exc:
            future.set_exception(exc if isinstance(exc, Exception) else RecordsUnavailableError())
            future.exception()
            raise
        finally:
            del self.deciding[call_id]
        self.recorder.known.put(call_id, known)
        future.set_result(known)
        if not first:
            await self.handle_later(call_id, known, message)
        return known, first

    async def decide_and_record(
        self, call_id: str, message: ServerMessage, registration: Registration | None
    ) -> tuple[KnownCall, bool]:
        """Make the decision, or read the stored one; True if it is ours and the first."""
        decision = await self.decide(message, registration)
        call = new_call(
            call_id,
            message,
            registration,
            decision,
            now=self.directory.now(),
            default_message=self.blocked_message,
        )
        if message.type == ASSISTANT_REQUEST:
            return await self.recorder.record_beside_answer(call)
        return await self.recorder.record(call)

    async def decide(self, message: ServerMessage, registration: Registration | None) -> Decision:
        """Ask the chain; a number that is not registered is denied without it."""
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

    async def handle_later(self, call_id: str, known: KnownCall, message: ServerMessage) -> None:
        """Handle a later message: it may end the call, or show that a blocked one still talks."""
        if message.ends_call:
            known.ended = True
            await self.recorder.record_end(self.build_end(call_id, message))
        elif not known.allowed and known.organization_id is not None and not known.ended:
            fresh_url = message.control_url is not None and not known.had_control_url
            waited = time.monotonic() - known.hung_up_at
            if message.type != ASSISTANT_REQUEST and (fresh_url or waited > RESTART_SECONDS):
                known.hung_up_at = time.monotonic()
                known.had_control_url = known.had_control_url or message.control_url is not None
                self.recorder.start(self.recorder.restart_hangup(call_id, message.control_url))

    def build_end(self, call_id: str, message: ServerMessage) -> CallEnd:
        return CallEnd(
            call_id,
            message.ended_at or message.at or self.directory.now(),
            message.ended_reason,
            message.duration_seconds,
            message.cost,
        )
