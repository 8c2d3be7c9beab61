"""A call in sentences: why it was let through, blocked or cut off; each step of it. Pure."""

from collections.abc import Mapping
from typing import Any

from service.domain.call_events import CallStep
from service.domain.calls import Call, HangupState
from service.domain.wording.labels import Tone, seconds, words

ANSWERS: Mapping[str, str] = {
    "error": "answered with a sentence that is spoken to the caller, who is then hung up",
    "destination": "answered with a transfer",
    "assistantId": "answered with an assistant",
    "assistant": "answered with an assistant",
    "squadId": "answered with a squad",
    "squad": "answered with a squad",
    "workflowId": "answered with a workflow",
    "workflow": "answered with a workflow",
}


def lower(slug: object) -> str:
    """Words that go on in a sentence."""
    text = words(slug)
    return text[:1].lower() + text[1:]


def headline(call: Call, organization: str | None) -> str:
    """Why the call was cut off, or was not, in one sentence."""
    who = organization or "its organization"
    if call.cut_at is not None:
        return f"This call was cut off because the access of {who} ended: {lower(call.cut_reason)}."
    if call.organization_id is None:
        return "Nobody registered the number of this call, so it was not let through."
    if not call.blocked:
        return f"This call was let through: {lower(call.reason)}."
    where = {
        "request": "before an assistant joined",
        "ring": "while it rang",
        "event": "at its first event",
    }[call.gate]
    if call.reason == "ring_gate":
        return f"This call was blocked {where}: {who} had no access then."
    return f"This call was blocked {where}: {lower(call.reason)} ({who})."


def aftermath(call: Call) -> str:
    """What came of it."""
    if call.hangup is None:
        if call.ended_at is None:
            return "No end of it is known yet."
        return f"It ended after {seconds(call.duration_seconds)}."
    tries = f"{call.hangup.attempts} hang-up command{'' if call.hangup.attempts == 1 else 's'}"
    if call.hangup.state is HangupState.CONFIRMED:
        lived = f" It was on the line for {seconds(call.lived_seconds)}." if call.blocked else ""
        return f"Vapi confirms that it is over, after {tries}.{lived}"
    return {
        HangupState.PENDING: f"It is being hung up: {tries} so far.",
        HangupState.UNCONFIRMED: f"Vapi took {tries}, and nothing proves that it ended.",
        HangupState.FAILED: "No hang-up command got through to Vapi.",
    }[call.hangup.state]


def told(step: CallStep) -> tuple[str, Tone]:
    """A step as a sentence, and how it looks."""
    detail: Mapping[str, Any] = step.detail
    kind = step.kind
    if kind == "message":
        return message_told(detail)
    if kind == "decided":
        by = f" by the policy {detail['determined_by']}" if detail["determined_by"] else ""
        known = "" if detail["basis"] == "fresh" else " from what was last known"
        verb = "Let through" if detail["effect"] == "allow" else "Blocked"
        tone: Tone = "good" if detail["effect"] == "allow" else "bad"
        return f"{verb}{by}{known}: {lower(detail['reason'])}", tone
    if kind == "hangup.looked":
        over = detail.get("over")
        if over is None:
            return f"Vapi could not say whether it is over: {detail.get('error', '')}", "wait"
        return ("Vapi says that it is over", "good") if over else ("It is not over yet", "wait")
    attempt = detail.get("attempt")
    error = detail.get("error", "")
    sentences: dict[str, tuple[str, Tone]] = {
        "cut": (f"Cut off, for the access had ended: {lower(detail.get('reason'))}", "bad"),
        "ended": (f"Ended: {lower(detail.get('reason') or 'no reason was given')}", "calm"),
        "goodbye.sent": (f"The goodbye is being spoken ({detail.get('seconds')} s)", "calm"),
        "goodbye.failed": (f"The goodbye could not be spoken: {error}", "wait"),
        "hangup.sent": (f"Hang-up command {attempt} was taken by Vapi", "good"),
        "hangup.failed": (f"Hang-up command {attempt} got nowhere: {error}", "bad"),
        "hangup.unknown": ("The control host does not know the call (any more)", "wait"),
        "hangup.refused": (f"The control URL is not one of Vapi's: {error}", "bad"),
        "hangup.waiting": (f"The next look follows in {detail.get('seconds')} s", "calm"),
        "hangup.confirmed": ("The hang-up is confirmed", "good"),
        "hangup.given_up": (f"Given up: {lower(detail.get('state'))}", "bad"),
        "hangup.restarted": ("It still talked, so hanging up began anew", "bad"),
    }
    return sentences.get(kind, (words(kind), "calm"))


def message_told(detail: Mapping[str, Any]) -> tuple[str, Tone]:
    """What Vapi told us, and how we answered."""
    said = [f"Vapi sent {detail.get('type', 'a message')}"]
    if detail.get("status"):
        said.append(f"({detail['status']})")
    if detail.get("first"):
        said.append("— the first we heard of the call")
    answer = detail.get("answer")
    if answer:
        said.append(f"and was {ANSWERS.get(answer, 'answered')}")
    elif detail.get("reply") == 403:
        said.append("and was told that access is denied")
    return " ".join(said), "bad" if detail.get("reply") == 403 else "calm"
