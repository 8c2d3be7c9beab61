"""Turns a message of a call into its row, and logs the decision with the contract's lines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from policies.contract import Effect
from service.access.beginnings import may_begin
from service.access.call_records import read_record, read_said
from service.access.directory import Registration
from service.access.known_calls import KnownCall, decision_of
from service.domain.call_records.details import CallDetails, merge_doubts
from service.domain.calls import (
    CallEnd,
    GateName,
    NewCall,
    Refusal,
    plausible_cost,
    plausible_duration,
)
from service.domain.decisions import Basis, Decision
from service.domain.wording.blocked_messages import format_blocked_message
from service.vapi.message_types import ASSISTANT_REQUEST
from service.vapi.messages import ServerMessage

BLOCKED = "[Webhook] ⛔⛔⛔ CALL BLOCKED"
HANGING_UP = "[Webhook] Attempting to hang up call"
REFUSAL_SECONDS = 8.0
"""How long Vapi may take to speak a refusal before we check that the call has ended."""
GUESS_SECONDS = 5.0
"""How long after its record a call is hung up whose denial is a guess: other spools drain meanwhile."""

INBOUND = "inboundPhoneCall"
UNKNOWN_REASON = "unknown_phone_number"

log = structlog.get_logger()


def deny_unknown(at: datetime, basis: Basis) -> Decision:
    """The decision on a call of a number and an assistant that are not registered."""
    return Decision(uuid4(), Effect.DENY, UNKNOWN_REASON, None, basis, (), at)


def leads_back(divert_to: Mapping[str, Any] | None, registration: Registration | None) -> bool:
    """Whether a diversion leads to the number that was called: it would ring in a circle."""
    number = registration.phone_number if registration else None
    place = (divert_to or {}).get("destination", {}).get("number")
    return number is not None and place is not None and place == number.number


def new_call(
    call_id: str,
    message: ServerMessage,
    registration: Registration | None,
    decision: Decision,
    *,
    now: datetime,
    default_message: str,
    stop_unknown: bool = False,
    proved: UUID | None = None,
) -> NewCall:
    """The row for a call's first message. `stop_unknown`: calls of unknown numbers are hung up.
    `proved`: the only organization whose messages its secret proves.

    A blocked call whose first message reports its end is hung up all the same: Vapi is asked first.
    """
    asked = message.type == ASSISTANT_REQUEST
    asks = asked or was_asked_before(message, registration)
    if not asks or leads_back(decision.terms.divert_to, registration):
        decision = decision.without_diversion()
    gate: GateName = "request" if asked else "event"
    hangup_after = None
    stops = not decision.allowed and not decision.diverts
    if stops and (registration is not None or stop_unknown):
        hangup_after = REFUSAL_SECONDS if asked else 0.0
    ends = message.ends_call and hangup_after is None
    read = read_record(message, registration, now)
    ended_at = read.ended_at if ends else None
    age = now - read.started_at
    duration = plausible_duration(read.duration_seconds, age)
    cost = plausible_cost(message.cost, duration, age)
    refused = {"duration": duration != read.duration_seconds, "cost": cost != message.cost}
    doubts = [name for name, wrong in refused.items() if wrong]
    spoken = None
    if hangup_after == 0.0 and not message.ends_call:
        spoken = goodbye(registration, decision, now, default_message)
    number = registration.phone_number if registration else None
    return NewCall(
        vapi_call_id=call_id,
        organization_id=registration.organization.id if registration else None,
        phone_number_id=number.id if number else None,
        vapi_phone_number_id=next(iter(message.phone_number_ids), None),
        type=message.call_type,
        gate=gate,
        decision=decision,
        started_at=read.started_at,
        control_url=message.control_url,
        hangup_after_seconds=hangup_after,
        ended_at=ended_at,
        ended_reason=message.ended_reason if ended_at else None,
        duration_seconds=duration if ended_at else None,
        cost=cost if ended_at else None,
        number=message.number if registration is None else None,
        goodbye=spoken,
        cost_parts=message.cost_parts if ended_at and cost is not None else None,
        details=doubted(read.details, doubts),
        transcript=read_said(message, registration) if ended_at else None,
        refusal=refusal_of(message, registration, decision, now, default_message),
        url_proved=proves_url(message, registration, proved),
    )


def proves_url(
    message: ServerMessage, registration: Registration | None, proved: UUID | None
) -> bool:
    """Whether a message vouches for its control URL: the organization's own secret proves it, and it
    names one number, which is this organization's.

    Its sender could name another organization's call, but then has no use for us: who knows the control
    URL of a call can end it. The master secret proves the messages of all organizations, so one that
    confuses two of them would hang up the wrong call.
    """
    if registration is None or registration.phone_number is None or message.control_url is None:
        return False
    return proved == registration.organization.id and len(message.phone_number_ids) == 1


def refusal_of(
    message: ServerMessage,
    registration: Registration | None,
    decision: Decision,
    now: datetime,
    default_message: str,
) -> Refusal | None:
    """How a granted call is stopped if its limits are full; None without limits.

    Of a call under way, whose first message another replica may have let in, the denial is a guess.
    """
    if registration is None or not decision.allowed or not decision.limits:
        return None
    if message.type == ASSISTANT_REQUEST:
        return Refusal(REFUSAL_SECONDS, may_divert=True)
    goodbyes: dict[str, str] = {}
    for entry in decision.trace:
        for limit in entry.limits:
            denial = replace(decision, reason=limit.reason, terms=entry.terms)
            text = goodbye(registration, denial, now, default_message)
            if text is not None:
                goodbyes.setdefault(limit.reason, text)
    guessed = not may_begin(message)
    may_divert = was_asked_before(message, registration)
    return Refusal(GUESS_SECONDS if guessed else 0.0, guessed, may_divert, goodbyes)


def was_asked_before(message: ServerMessage, registration: Registration | None) -> bool:
    """Whether an earlier message asked what answers the call, so that a denial that diverts has done
    so: all inbound calls of such a number begin with an assistant-request."""
    number = registration.phone_number if registration else None
    return number is not None and number.gate == "request" and message.call_type == INBOUND


def doubted(details: CallDetails, doubts: Sequence[str]) -> CallDetails:
    """The details with these doubts, too."""
    if not doubts:
        return details
    return replace(details, doubts=merge_doubts(details.doubts, doubts))


def remembered_call(
    call_id: str,
    message: ServerMessage,
    registration: Registration | None,
    known: KnownCall,
    now: datetime,
) -> NewCall:
    """The row of a call from its cached decision and a later message, for when its record is missing:
    it waits in another replica's spool, or a failover lost it."""
    number = registration.phone_number if registration else None
    read = read_record(message, registration, now)
    began_at = read.started_at
    return NewCall(
        vapi_call_id=call_id,
        organization_id=known.organization_id,
        phone_number_id=number.id if number else None,
        vapi_phone_number_id=known.number or next(iter(message.phone_number_ids), None),
        type=message.call_type,
        gate="event",
        decision=decision_of(known, began_at),
        started_at=min(began_at, known.decided_at or began_at),
        control_url=message.control_url,
        hangup_after_seconds=0.0 if known.hung_up else None,
        number=message.number if known.organization_id is None else None,
        details=read.details,
    )


def reported_end(
    call_id: str,
    message: ServerMessage,
    registration: Registration | None,
    known: KnownCall,
    now: datetime,
) -> CallEnd:
    """The end that a later message of a call reports."""
    call = remembered_call(call_id, message, registration, known, now)
    read = read_record(message, registration, now)
    return CallEnd(
        call_id,
        read.ended_at or now,
        message.ended_reason,
        read.duration_seconds,
        message.cost,
        known.organization_id,
        reported_at=now,
        call=call,
        cost_parts=message.cost_parts,
        details=call.details,
        transcript=read_said(message, registration),
    )


def remembered_owner(claim: NewCall, main: KnownCall) -> NewCall:
    """The row of a call whose message names another organization: what it says is not this one's."""
    return replace(
        claim,
        organization_id=main.organization_id,
        phone_number_id=None,
        vapi_phone_number_id=main.number,
        decision=decision_of(main, claim.started_at),
        control_url=None,
        hangup_after_seconds=0.0 if main.hung_up else None,
        details=CallDetails(),
    )


def goodbye(
    registration: Registration | None, decision: Decision, now: datetime, default_message: str
) -> str | None:
    """The sentence spoken before a blocked call is hung up, if its organization wants one."""
    if registration is None or not registration.organization.handling.goodbye:
        return None
    organization = registration.organization
    return format_blocked_message(
        organization, decision.reason, default_message, now, decision.terms
    )


def announce_claim(call: NewCall, owner: UUID | None) -> None:
    """Log that a message named another organization than the call's."""
    log.warning(
        "call.claimed",
        call_id=call.vapi_call_id,
        organization_id=owner,
        claimed_by=call.organization_id,
        decision_id=call.decision.id,
        allowed=call.decision.allowed,
        reason=call.decision.reason,
    )


def announce(call: NewCall) -> None:
    """Log the decision with the contract's lines, once a call."""
    keys = {
        "call_id": call.vapi_call_id,
        "organization_id": call.organization_id,
        "phone_number_id": call.phone_number_id,
        "decision_id": call.decision.id,
        "reason": call.decision.reason,
        "gate": call.gate,
        "basis": call.decision.basis,
    }
    if call.organization_id is None:
        log.warning("call.unknown_phone_number", **keys)
    elif call.blocked:
        diverted = {"diverted": True} if call.decision.diverts else {}
        log.warning(BLOCKED, determined_by=call.decision.determined_by, **keys, **diverted)
        if call.hangup_after_seconds is not None:
            log.warning(HANGING_UP, **keys)
    else:
        log.info("call.allowed", **keys)
