"""Hooks of a phone number, and destinations of a transfer. Pure.

Hooks carry no id or name, so a hook is recognized by what it says or where it transfers to.
"""

from collections.abc import Mapping
from typing import Any

FAILED_REQUESTS = ("assistant-request-failed",)
"""The ended reasons of a call whose assistant-request got no answer; a refusal has another one."""

REFUSED_REQUESTS = ("assistant-request-returned-error", *FAILED_REQUESTS)
"""Vapi's words for a call whose assistant-request was answered with a refusal (its documentation and
its own gateway differ)."""

RING_REASON = "call.ringing.hook-executed-say"
"""The ended reason of a call that a ringing hook ended."""

COMMANDED_ENDS = ("assistant-ended-call", "assistant-ended-call-after-message-spoken")
"""Vapi's words for a call that a command ended: it names the assistant, not who gave the command."""

FORWARDED_REQUEST = "assistant-request-returned-forwarding-phone-number"
"""Vapi's word for a call whose assistant-request was answered with a transfer."""


def is_refusal(ended_reason: str | None) -> bool:
    """Whether a call ended because it was refused: what its caller heard was no conversation."""
    return ended_reason == RING_REASON or ended_reason in REFUSED_REQUESTS


def ringing_hook(text: str) -> dict[str, Any]:
    """A hook that speaks `text` instead of answering, and ends the call (Vapi's docs on hooks)."""
    return {"on": "call.ringing", "do": [{"type": "say", "exact": text}]}


def ending_hook(number: str) -> dict[str, Any]:
    """A hook that transfers the caller when the assistant-request got no answer."""
    reasons = {"type": "oneOf", "key": "call.endedReason", "oneOf": list(FAILED_REQUESTS)}
    action = {"type": "transfer", "destination": destination(number)}
    return {"on": "call.ending", "filters": [reasons], "do": action}


def destination(number: str) -> dict[str, Any]:
    """A transfer to an E.164 number."""
    return {"type": "number", "number": number}


def action_of(hook: object, event: str) -> Mapping[str, Any]:
    """The first action of a hook that runs at `event`; empty for any other hook.

    Keys that Vapi adds to a hook are ignored, so they do not hide whose it is.
    """
    if not isinstance(hook, Mapping) or hook.get("on") != event:
        return {}
    actions = hook.get("do")
    first = actions[0] if isinstance(actions, list) and actions else actions
    return first if isinstance(first, Mapping) else {}


def spoken_text(hook: object) -> str | None:
    """The text that a ringing hook speaks."""
    action = action_of(hook, "call.ringing")
    text = action.get("exact") if action.get("type") == "say" else None
    return text if isinstance(text, str) else None


def transfer_number(hook: object) -> str | None:
    """The number that an ending hook transfers to."""
    action = action_of(hook, "call.ending")
    return called_number(action.get("destination")) if action.get("type") == "transfer" else None


def called_number(found: object) -> str | None:
    """The number that a destination calls."""
    if not isinstance(found, Mapping) or found.get("type") != "number":
        return None
    number = found.get("number")
    return number if isinstance(number, str) else None
