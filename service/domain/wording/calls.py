"""A call in sentences: why it was allowed, blocked or ended, and each of its steps. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from service.domain.call_events import CallStep
from service.domain.calls import NOT_FOUND, Call, HangupState
from service.domain.decisions import CallTerms
from service.domain.wording.labels import (
    Tone,
    format_count,
    format_seconds,
    label_in_sentence,
    label_slug,
)

Detail = Mapping[str, Any]
Described = tuple[str, Tone]

ANSWERS: Mapping[str, str] = {
    "error": "answered with a sentence for the caller",
    "destination": "answered with a transfer",
    "assistantId": "answered with an assistant",
    "assistant": "answered with an assistant",
    "squadId": "answered with a squad",
    "squad": "answered with a squad",
    "workflowId": "answered with a workflow",
    "workflow": "answered with a workflow",
}

REMEDY_UNANSWERED = (
    "Check the number's answer, what is attached to it at Vapi, and the organization's forward URL."
)

LONGEST_CALL = "longest_call"
"""The reason of a cut that is about length, not about access."""

BASES: Mapping[str, str] = {
    "last_known_good": " from the last known state",
    "reconstructed": " at a later message, as of the beginning of the call",
}

DIVERTED_TO: Mapping[str, str] = {
    "assistantId": "assistant",
    "squadId": "squad",
    "workflowId": "workflow",
}

BLOCKED_AT: Mapping[str, str] = {
    "request": "before an assistant joined",
    "ring": "while it rang",
    "event": "at its first event",
}


def describe_call(call: Call, organization: str | None) -> str:
    """Why the call was allowed, blocked or ended by Callgate, in one sentence."""
    who = organization or "its organization"
    if call.cut_at is not None and call.cut_reason == LONGEST_CALL:
        return f"Callgate {describe_cutting(call)} this call because it reached the maximum length."
    if call.cut_at is not None:
        reason, verb = label_in_sentence(call.cut_reason), describe_cutting(call)
        return f"Callgate {verb} this call because the access of {who} ended: {reason}."
    if call.organization_id is None:
        return "The number of this call is not registered, so the call was not allowed."
    if call.is_unanswered:
        return (
            f"This call was allowed ({label_in_sentence(call.reason)}), but nothing answered it: "
            f"Vapi reports {label_in_sentence(call.ended_reason)}. {REMEDY_UNANSWERED}"
        )
    if not call.blocked:
        return f"This call was allowed: {label_in_sentence(call.reason)}."
    if call.is_diverted:
        to = describe_diversion(call.decision.terms.divert_to)
        return (
            f"This call was blocked and diverted to {to}: {label_in_sentence(call.reason)} ({who})."
        )
    blocked = f"This call was blocked {BLOCKED_AT[call.gate]}"
    if call.reason == "ring_gate":
        return f"{blocked}: {who} had no access then."
    return f"{blocked}: {label_in_sentence(call.reason)} ({who})."


def describe_cutting(call: Call) -> str:
    """How far Callgate came with ending a granted call."""
    if call.ended_at is not None:
        return "ended"
    pending = call.hangup is not None and call.hangup.state is HangupState.PENDING
    return "is ending" if pending else "tried to end"


def describe_terms(terms: CallTerms) -> list[str]:
    """How a policy says that a call goes on."""
    said = []
    if terms.divert_to is not None:
        said.append(f"diverts to {describe_diversion(terms.divert_to)}")
    if terms.message is not None:
        said.append(f"says the message “{terms.message}”")
    if terms.max_duration_seconds is not None:
        said.append(f"the call may last {format_seconds(terms.max_duration_seconds)}")
    return said


def describe_diversion(divert_to: Mapping[str, Any] | None) -> str:
    """Where a call was sent instead of being refused; "" if it was not."""
    ((name, value),) = (divert_to or {"": ""}).items()
    if isinstance(value, Mapping):
        return str(value.get("number") or value.get("sipUri"))
    return f"the {DIVERTED_TO[name]} {value}" if name in DIVERTED_TO else ""


def describe_end(call: Call) -> str:
    """How the call ended, or how far its hang-up is."""
    if call.ended_at is not None and call.ended_reason == NOT_FOUND:
        return "Vapi no longer knows it, so when it ended is not known."
    if call.hangup is None:
        if call.ended_at is None:
            return "No end has been reported yet."
        if call.duration_seconds is None:
            rang = call.blocked and call.gate == "ring"
            return "It ended while it rang." if rang else "It ended; its duration was not reported."
        return f"It ended after {format_seconds(call.duration_seconds)}."
    attempts = call.hangup.attempts
    commands = format_count(attempts, "hang-up command", "hang-up commands")
    match call.hangup.state:
        case HangupState.CONFIRMED:
            lived = f" It lasted {format_seconds(call.lived_seconds)}." if call.blocked else ""
            if not attempts:
                return f"Vapi confirmed the end; no hang-up was needed.{lived}"
            return f"Vapi confirmed the end after {commands}.{lived}"
        case HangupState.PENDING:
            if not attempts:
                return "Its end is not confirmed yet; no hang-up command was sent."
            return f"The hang-up is in progress: {commands} so far."
        case HangupState.UNCONFIRMED:
            return f"Vapi accepted {commands}; the end is unconfirmed."
        case HangupState.FAILED:
            return "No hang-up command reached Vapi."


def describe_call_step(step: CallStep) -> Described:
    """A step as a sentence, with its tone."""
    describe = STEPS.get(step.kind)
    return describe(step.detail) if describe else (label_slug(step.kind), "calm")


def describe_message(detail: Detail) -> Described:
    """A message from Vapi, and the reply."""
    parts = [f"Vapi sent {detail.get('type', 'a message')}"]
    if detail.get("status"):
        parts.append(f"({detail['status']})")
    if late := detail.get("late_seconds"):
        parts.append(f"{format_seconds(late)} before it arrived")
    if detail.get("first"):
        parts.append("— the first message of the call")
    answer = detail.get("answer")
    if answer:
        parts.append(f"and was {ANSWERS.get(answer, 'answered')}")
    elif detail.get("reply") == 403:
        parts.append("and was refused: access denied")
    return " ".join(parts), "bad" if detail.get("reply") == 403 else "calm"


def describe_decision(detail: Detail) -> Described:
    by = f" by the policy {detail['determined_by']}" if detail["determined_by"] else ""
    known = BASES.get(detail["basis"], "")
    allowed = detail["effect"] == "allow"
    verb = "Allowed" if allowed else "Blocked"
    reason = label_in_sentence(detail["reason"])
    return f"{verb}{by}{known}: {reason}", "good" if allowed else "bad"


def describe_hangup_check(detail: Detail) -> Described:
    over = detail.get("over")
    if detail.get("missing"):
        return "Vapi does not know the call", "wait"
    if over is None:
        return f"Vapi did not say whether the call has ended: {detail.get('error', '')}", "wait"
    if over:
        return "Vapi reports the call as ended", "good"
    return "The call has not ended yet", "wait"


def describe_claim(detail: Detail) -> Described:
    who, reason = detail.get("organization_id"), label_in_sentence(detail.get("reason"))
    decided = "allowed" if detail.get("effect") == "allow" else "denied"
    return f"A message named another organization ({who}), which is {decided}: {reason}", "bad"


def describe_correction(detail: Detail) -> Described:
    owner = detail.get("organization_id")
    if owner is None:
        return "Vapi reports that no registered organization has this call", "bad"
    return f"Vapi reports that this call belongs to organization {owner}", "bad"


def describe_cut(detail: Detail) -> Described:
    if detail.get("reason") == LONGEST_CALL:
        return "Hang-up ordered because it reached the maximum length", "bad"
    reason = label_in_sentence(detail.get("reason"))
    return f"Hang-up ordered because the access ended: {reason}", "bad"


def describe_ended(detail: Detail) -> Described:
    reason = detail.get("reason")
    if reason == NOT_FOUND:
        return "Vapi no longer knows the call, so it has ended", "calm"
    if detail.get("refused"):
        return "Ended: the caller heard the blocked message, and Vapi closed the line", "calm"
    if detail.get("hung_up"):
        return "Ended by the hang-up command", "good"
    if detail.get("diverted"):
        return "Ended for Vapi: the call went on where it was sent", "calm"
    tone: Tone = "bad" if detail.get("unanswered") else "calm"
    return f"Ended: {label_in_sentence(reason) if reason else 'no reason given'}", tone


def describe_confirmed(detail: Detail) -> Described:
    """The end; without a command there was no hang-up, as of a call that was refused."""
    if detail.get("attempts") == 0:
        return "Vapi confirmed the end", "good"
    return "The hang-up is confirmed", "good"


def fixed(template: str, tone: Tone) -> Callable[[Detail], Described]:
    """A sentence with placeholders for the step's attempt, error, seconds and state."""

    def describe(detail: Detail) -> Described:
        return template.format(
            attempt=detail.get("attempt"),
            error=detail.get("error", ""),
            seconds=detail.get("seconds"),
            state=label_in_sentence(detail.get("state")),
        ), tone

    return describe


STEPS: Mapping[str, Callable[[Detail], Described]] = {
    "message": describe_message,
    "decided": describe_decision,
    "claimed": describe_claim,
    "owner.corrected": describe_correction,
    "cut": describe_cut,
    "ended": describe_ended,
    "goodbye.sent": fixed("Speaking the goodbye ({seconds} s)", "calm"),
    "goodbye.failed": fixed("The goodbye could not be spoken: {error}", "wait"),
    "hangup.sent": fixed("Vapi accepted hang-up command {attempt}", "good"),
    "hangup.failed": fixed("Hang-up command {attempt} failed: {error}", "bad"),
    "hangup.unknown": fixed("The control host no longer knows the call", "wait"),
    "hangup.refused": fixed("The control URL does not belong to Vapi: {error}", "bad"),
    "hangup.looked": describe_hangup_check,
    "hangup.waiting": fixed("Next check in {seconds} s", "calm"),
    "hangup.confirmed": describe_confirmed,
    "hangup.given_up": fixed("The hang-up ended: {state}", "bad"),
    "hangup.restarted": fixed("The call was still active, so the hang-up started again", "bad"),
}
