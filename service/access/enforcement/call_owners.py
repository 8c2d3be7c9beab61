"""Whose call it is, by Vapi's own record: the phone number of `GET /call/{id}`, else its assistant.

Messages are proved to come from a holder of a secret, not to be true of a call. Where they name two
organizations for one call, or before a call is hung up on the word of a message, Vapi is asked.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from policies.contract import CallFacts
from service.access.beginnings import earliest_of
from service.access.directory import AccessDirectory, Registration
from service.access.first_message import announce
from service.access.judgement import CallJudge, Lines
from service.access.observers.call_observers import CallObservers
from service.access.policies.chain import DecisionChain
from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import NewCall
from service.domain.decisions import Decision
from service.domain.priority import Priority
from service.store.calls.call_store import CallStore
from service.store.calls.claims import Contest
from service.store.pool import UNAVAILABLE
from service.vapi.calls.view import CallView
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError

ASK_SECONDS = 1.0
"""How long a reply waits for Vapi's word on a contested call."""
ASKED_AT_ONCE = 8

log = structlog.get_logger()


@dataclass(slots=True)
class CallOwners:
    """Settles whose call it is and corrects the record. `stop_unknown`: calls of no organization are
    hung up."""

    calls: CallStore
    client: VapiClient
    directory: AccessDirectory
    chain: DecisionChain
    stop_unknown: bool = False
    record_step: StepRecorder = ignore_step
    observers: CallObservers = field(default_factory=CallObservers)
    asking: dict[str, asyncio.Task[CallView | None]] = field(default_factory=dict)

    async def ask(self, vapi_call_id: str) -> CallView | None:
        """Ask Vapi and correct the record; None if Vapi did not answer within a second.

        Messages of one call share a question, and only a few are asked at once: an attacker must not
        spend the account's budget of requests.
        """
        task = self.asking.get(vapi_call_id)
        if task is None:
            if len(self.asking) >= ASKED_AT_ONCE:
                return None
            task = asyncio.create_task(self.ask_once(vapi_call_id))
            self.asking[vapi_call_id] = task
            task.add_done_callback(lambda _task: self.asking.pop(vapi_call_id, None))
        finished, _ = await asyncio.wait({task}, timeout=ASK_SECONDS)
        return task.result() if finished else None

    async def ask_once(self, vapi_call_id: str) -> CallView | None:
        """Ask Vapi; with PostgreSQL away the record is corrected later, by the call's job."""
        view = None
        try:
            view = CallView(await self.client.get_call(vapi_call_id, Priority.HANGUP))
            await self.settle(vapi_call_id, view)
        except (VapiError, *UNAVAILABLE) as exc:
            log.warning("call.owner_unsettled", call_id=vapi_call_id, error=type(exc).__name__)
        return view

    def names(self, organization_id: UUID | None, view: CallView) -> bool:
        """Whether Vapi's record names this organization's number or assistant."""
        number = view.phone_number_id
        registration = self.find((number,) if number else (), view)
        return registration is not None and registration.organization.id == organization_id

    async def settle(self, vapi_call_id: str, view: CallView) -> bool:
        """Correct the record by Vapi's word; True if the call was another organization's."""
        contest = await self.calls.find_contest(vapi_call_id)
        if contest is None:
            return False
        owner = self.find_owner(view, contest)
        if owner == contest.organization_id:
            if await self.calls.confirm_owner(vapi_call_id, owner):
                return False
            # Another organization took the row over, or the row is gone.
            return await self.settle(vapi_call_id, view)
        call = await self.corrected(vapi_call_id, view, contest, owner)
        if not await self.calls.change_owner(call):
            return False
        log.warning(
            "call.owner_corrected",
            call_id=vapi_call_id,
            claimed_by=contest.organization_id,
            organization_id=owner,
        )
        detail = {
            "organization_id": str(owner) if owner else None,
            "former": str(contest.organization_id) if contest.organization_id else None,
        }
        self.record_step(vapi_call_id, "owner.corrected", detail)
        announce(call)
        self.observers.tell_decided(call)
        return True

    def find_owner(self, view: CallView, contest: Contest) -> UUID | None:
        """The organization of Vapi's call; the recorded one where Vapi names nothing that is ours."""
        number = view.phone_number_id
        if number is None:
            registration = self.find((), view)
            return registration.organization.id if registration else contest.organization_id
        if number == contest.vapi_phone_number_id:
            return contest.organization_id
        for claim in contest.claims.values():
            if number == claim.vapi_phone_number_id:
                return claim.organization_id
        registration = self.find((number,), view)
        return registration.organization.id if registration else None

    def owns(self, organization_id: UUID | None, view: CallView) -> bool:
        """Whether Vapi's record names this organization, or nothing that is registered."""
        number = view.phone_number_id
        registration = self.find((number,) if number else (), view)
        if registration is None:
            return number is None or organization_id is None
        return registration.organization.id == organization_id

    def find(self, numbers: tuple[str, ...], view: CallView) -> Registration | None:
        return self.directory.find(numbers, (view.assistant_id,) if view.assistant_id else ())

    async def corrected(
        self, vapi_call_id: str, view: CallView, contest: Contest, owner: UUID | None
    ) -> NewCall:
        """The call as its true organization's: with the decision of its messages, or a new one."""
        number = view.phone_number_id
        registration = self.find((number,) if number else (), view)
        claim = contest.claims.get(owner) if owner is not None else None
        decision = claim.decision if claim else await self.decide(vapi_call_id, view, registration)
        now = self.directory.now()
        over = view.is_over
        stop = not (decision.allowed or decision.diverts) and (
            owner is not None or self.stop_unknown
        )
        phone_number = registration.phone_number if registration else None
        phone_number_id = phone_number.id if phone_number else None
        return NewCall(
            vapi_call_id=vapi_call_id,
            organization_id=owner,
            phone_number_id=claim.phone_number_id if claim else phone_number_id,
            vapi_phone_number_id=number,
            type=view.type or contest.type,
            gate="event",
            decision=decision,
            started_at=min(view.started_at or view.created_at or contest.started_at or now, now),
            control_url=view.control_url,
            hangup_after_seconds=0.0 if stop and not over else None,
            ended_at=(view.ended_at or now) if over else None,
            ended_reason=view.ended_reason if over else None,
            duration_seconds=view.duration_seconds if over else None,
            cost=view.cost if over else None,
            end_proved=over,
            cost_parts=view.cost_parts if over else None,
            details=view.details,
        )

    async def decide(
        self, vapi_call_id: str, view: CallView, registration: Registration | None
    ) -> Decision:
        """Decide for the organization that Vapi names, as of the call's beginning: no message has named
        it yet, and the call is under way or over."""
        numbers = (view.phone_number_id,) if view.phone_number_id else ()
        assistants = (view.assistant_id,) if view.assistant_id else ()
        facts = CallFacts(vapi_call_id, view.type, None, view.assistant_id)
        lines, now = Lines(numbers, assistants, facts), self.directory.now()
        judge = CallJudge(self.directory, self.chain)
        present = await judge.judge_registered(lines, registration)
        began_at = earliest_of(view.created_at, view.started_at, now)
        if began_at is None:
            return present.decision.without_diversion()
        then = await judge.judge_then(lines, began_at)
        if then.agrees(present) or not then.is_of(registration):
            return present.decision.without_diversion()
        return then.decision.without_diversion()
