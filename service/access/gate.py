"""The gate: one decision per call and organization, recorded before it is acted on, in any order of
messages. A message may name another organization than the call's: its decision is made anew, a denial
wins, and Vapi tells whose call it is. A call that is under way already is judged as of its beginning.

Two replicas, duplicates and restarts: the row in PostgreSQL is the decision; what is in memory is a
cache in front of it. With PostgreSQL away memory decides, the spool records, and the first hang-up is
attempted all the same: a blocked call must not talk, and a paying one must not be blocked.
"""

import asyncio
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from service.access.beginnings import may_begin
from service.access.call_recorder import CallRecorder
from service.access.directory import AccessDirectory, Registration
from service.access.enforcement.call_owners import CallOwners
from service.access.first_message import (
    GUESS_SECONDS,
    new_call,
    remembered_call,
    remembered_owner,
    reported_end,
)
from service.access.judgement import CallJudge, Judgement, lines_of
from service.access.known_calls import KnownCall, known_from
from service.access.policies.chain import DecisionChain
from service.access.rulings import (
    RESTART_SECONDS,
    Ruling,
    Rulings,
    names_other_number,
    ruling_of,
)
from service.domain.calls import CallKey, NewCall
from service.domain.decisions import Decision
from service.settings import DEFAULT_BLOCKED_MESSAGE
from service.store.calls.writer import RecordsUnavailableError
from service.store.pool import UNAVAILABLE
from service.store.usage.callers import CallerCall
from service.vapi.message_types import ASSISTANT_REQUEST
from service.vapi.messages import ServerMessage


@dataclass(slots=True)
class AccessGate:
    """Decides and enforces; the webhook only turns rulings into replies."""

    directory: AccessDirectory
    chain: DecisionChain
    recorder: CallRecorder
    owners: CallOwners
    blocked_message: str = DEFAULT_BLOCKED_MESSAGE
    stop_unknown: bool = False
    deciding: dict[CallKey, asyncio.Future[KnownCall]] = field(default_factory=dict)
    judge: CallJudge = field(init=False)
    rulings: Rulings = field(init=False)

    def __post_init__(self) -> None:
        self.judge = CallJudge(self.directory, self.chain)
        self.rulings = Rulings(self.directory, self.recorder.known)

    async def handle(self, message: ServerMessage, proved: UUID | None = None) -> Ruling:
        """Rule on one message of a call and do what follows from it. `proved`: the only organization
        whose messages its secret proves; None: those of all."""
        registration = self.rulings.find_registration(message, proved)
        call_id = message.call_id
        known = None if call_id is None else self.rulings.find_known(call_id, registration)
        if call_id is not None and known is None and message.follows_call:
            with suppress(*UNAVAILABLE):
                await self.recorder.reload(call_id)
            known = self.rulings.find_known(call_id, registration)
        if call_id is None or (known is None and not message.tells_of_live_call):
            # Answered as of now and not kept: a call that waits to be dialled is judged when it begins,
            # and one that is over must not look as if it lived.
            decision = await self.decide(message, registration)
            return Ruling(
                registration,
                decision.allowed,
                decision.reason,
                str(decision.id),
                terms=decision.terms,
            )
        first = False
        if known is None:
            known, first = await self.handle_first(call_id, message, registration, proved)
        else:
            await self.handle_later(call_id, known, message, registration, proved)
        # What PostgreSQL told of the call may say whose message it is.
        registration = registration or self.rulings.find_registration(message, proved)
        known = await self.weigh(call_id, known)
        registration = self.rulings.registration_of(known, registration)
        return ruling_of(known, registration, first=first)

    def rule_at_once(self, message: ServerMessage, proved: UUID | None) -> Ruling | None:
        """Rule on an assistant-request of a new call without waiting; None: `handle` is to rule.

        Only the plain case: the message names one organization, whose messages the secret proves
        (`proved`) or which proves all (None); its policies only compute, and none limits calls at once.
        """
        call_id, answered = message.call_id, self.recorder.answered
        if call_id is None or len(message.phone_number_ids) > 1 or answered.answers_wait:
            return None
        found = self.directory.find(message.phone_number_ids, message.assistant_ids)
        if found is None or proved not in (None, found.organization.id):
            return None
        key = call_id, found.organization.id
        if key in self.deciding or self.recorder.known.get(call_id) is not None:
            return None
        judged = self.judge.judge_at_once(message, found)
        call = None if judged is None else self.build_call(call_id, message, judged, proved)
        if call is None or call.wants_slots:
            return None
        if call.decision.allowed:
            now = self.directory.now()
            caller = CallerCall(*key, message.caller_number, message.call_type, now)
            self.recorder.callers.note(caller, now)
        answered.note(call)
        known = known_from(call)
        self.recorder.known.put(call_id, known)
        return ruling_of(known, found, first=True)

    async def weigh(self, call_id: str, known: KnownCall) -> KnownCall:
        """The decision that counts where two organizations are named for one call: a denial wins.

        If the call's own organization is denied and this one is not, Vapi is asked whose call it is,
        for a moment: a forged message must not block the calls of a paying organization.
        """
        main = self.recorder.known.get(call_id)
        if main is known and main.claims and not main.owner_checked:
            # The job that asks Vapi may have given the call to another organization meanwhile.
            with suppress(*UNAVAILABLE):
                await self.recorder.reload(call_id)
            main = self.recorder.known.get(call_id)
        if main is None or main.organization_id in (None, known.organization_id):
            return known
        if main.allowed or not known.allowed:
            return known
        view = None if main.owner_checked else await self.owners.ask(call_id)
        if view is None or not self.owners.names(known.organization_id, view):
            return main
        known.owner_checked = True
        self.recorder.known.put_owner(call_id, known)
        return known

    async def handle_first(
        self,
        call_id: str,
        message: ServerMessage,
        registration: Registration | None,
        proved: UUID | None,
    ) -> tuple[KnownCall, bool]:
        """Decide a call that this replica has not seen for this organization; copies that arrive
        meanwhile wait for it.

        True if the decision is this message's.
        """
        key = call_id, registration.organization.id if registration else None
        if (under_way := self.deciding.get(key)) is not None:
            known = await asyncio.shield(under_way)
            await self.handle_later(call_id, known, message, registration, proved)
            return known, False
        future: asyncio.Future[KnownCall] = asyncio.get_running_loop().create_future()
        self.deciding[key] = future
        self.recorder.usage.begin(*key)
        now, callers = self.directory.now(), self.recorder.callers
        caller = CallerCall(*key, message.caller_number, message.call_type, now)
        callers.note(caller, now)
        try:
            known, first = await self.decide_and_record(call_id, message, registration, proved)
        except BaseException as exc:
            self.recorder.usage.drop(*key)
            callers.note(caller, now, granted=False)
            future.set_exception(exc if isinstance(exc, Exception) else RecordsUnavailableError())
            future.exception()
            raise
        finally:
            del self.deciding[key]
        callers.note(caller, now, granted=known.allowed)
        self.recorder.known.put(call_id, known)
        future.set_result(known)
        if not first or (known.hung_up and message.ends_call):
            # What the report of a call that is hung up claims is kept beside its record.
            await self.handle_later(call_id, known, message, registration, proved)
        return known, first

    async def decide_and_record(
        self,
        call_id: str,
        message: ServerMessage,
        registration: Registration | None,
        proved: UUID | None,
    ) -> tuple[KnownCall, bool]:
        """Make the decision, or read the stored one; True if it is ours and the first."""
        asked, otherwise = await self.judge.judge_first(message, registration)
        call = self.build_call(call_id, message, asked, proved)
        if message.type == ASSISTANT_REQUEST and not call.wants_slots:
            return await self.recorder.answered.record(call)

        async def decide_alone() -> NewCall:
            judged = await otherwise() if otherwise else asked
            return self.build_call(call_id, message, judged, proved)

        # Of a call that began before, or is another organization's, the question is not this message's.
        is_new = may_begin(message) and self.recorder.known.get(call_id) is None
        with self.recorder.attempts.asking_ahead(call) if is_new else nullcontext():
            return await self.recorder.record(call, decide_alone)

    def build_call(
        self, call_id: str, message: ServerMessage, judged: Judgement, proved: UUID | None
    ) -> NewCall:
        """The row of a call that is judged by this message."""
        call = new_call(
            call_id,
            message,
            judged.registration,
            judged.decision,
            now=self.directory.now(),
            default_message=self.blocked_message,
            stop_unknown=self.stop_unknown,
            proved=proved,
        )
        if not judged.guessed:
            return call
        after = None if call.hangup_after_seconds is None else GUESS_SECONDS
        return replace(call, guessed=True, hangup_after_seconds=after)

    async def decide(self, message: ServerMessage, registration: Registration | None) -> Decision:
        """Ask the chain by the present facts."""
        directory = self.directory
        return await self.judge.decide(
            lines_of(message), registration, directory.now(), directory.basis
        )

    async def handle_later(
        self,
        call_id: str,
        known: KnownCall,
        message: ServerMessage,
        registration: Registration | None,
        proved: UUID | None,
    ) -> None:
        """Handle a later message: it may end the call, or show that a blocked one still talks."""
        main = self.recorder.known.get(call_id)
        registration = registration or self.rulings.find_registration(message, proved)
        by_secret = proved or known.organization_id
        named = by_secret if registration is None else registration.organization.id
        contested = main is not None and main.organization_id not in (None, named)
        if contested:
            # Another organization's claim changes nothing on the call's record. Vapi is asked.
            self.ask_again(call_id, known, message, registration)
        if message.ends_call:
            # Memory may lag behind whose call it is: PostgreSQL refuses the end of another organization.
            claimed = contested and known.organization_id != named
            if not claimed and not names_other_number(known, message):
                end = reported_end(call_id, message, registration, known, self.directory.now())
                await self.recorder.record_end(end)
        elif not contested:
            self.note_connected(call_id, known, message)
            if self.rulings.is_to_restart(message, known):
                self.restart(call_id, known, message, registration)

    def note_connected(self, call_id: str, known: KnownCall, message: ServerMessage) -> None:
        """Have the first later message that shows the call connected recorded, beside the reply."""
        if known.connected or not message.shows_connection or names_other_number(known, message):
            return
        known.connected = True
        assistant = next(iter(message.assistant_ids), None)
        self.recorder.connected.note(call_id, known.organization_id, assistant)

    def restart(
        self,
        call_id: str,
        known: KnownCall,
        message: ServerMessage,
        registration: Registration | None,
    ) -> None:
        """Hang up a blocked or cut call again that still sends messages."""
        known.hung_up_at = time.monotonic()
        known.had_control_url = known.had_control_url or message.control_url is not None
        now = self.directory.now()
        call = remembered_call(call_id, message, registration, known, now)
        self.recorder.start(self.recorder.restart_hangup(call))

    def ask_again(
        self,
        call_id: str,
        known: KnownCall,
        message: ServerMessage,
        registration: Registration | None,
    ) -> None:
        """Have Vapi asked whose call it is, at most every few seconds."""
        main = self.recorder.known.get(call_id)
        if main is not None and time.monotonic() - known.hung_up_at > RESTART_SECONDS:
            known.hung_up_at = time.monotonic()
            now = self.directory.now()
            claim = remembered_call(call_id, message, registration, known, now)
            self.recorder.start(self.recorder.ask_owner(remembered_owner(claim, main), claim))
