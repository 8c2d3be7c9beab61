"""Words for what the service calls by slugs: states, reasons, gates. Unknown ones, a plugin's reasons
for instance, are shown as they are with spaces. Pure."""

from collections.abc import Mapping
from typing import Literal

Tone = Literal["good", "bad", "wait", "calm"]
"""How a badge looks: fine, needs somebody, under way, neither."""

WORDS: Mapping[str, str] = {
    "override_allow": "Allowed by an override",
    "override_deny": "Blocked by an override",
    "plan_active": "Plan is active",
    "plan_paid_until": "Plan canceled, paid until its end",
    "plan_in_grace": "Plan in its grace period",
    "trial_active": "Trial is running",
    "trial_expired": "Trial has ended",
    "plan_ended": "Plan has ended",
    "plan_past_due": "Plan is past due",
    "plan_paused": "Plan is paused",
    "no_plan_or_trial": "Neither plan nor trial",
    "unknown_phone_number": "Number is not registered",
    "in_sync": "In sync",
    "pending": "Pending",
    "drifted": "Drifted",
    "shadowed": "Shadowed",
    "missing": "Missing at Vapi",
    "failed": "Failed",
    "paused": "Paused",
    "in-progress": "In progress",
    "ended": "Ended",
    "confirmed": "Hung up",
    "unconfirmed": "Hang-up unconfirmed",
    "past_due": "Past due",
    "canceled": "Canceled",
    "active": "Active",
    "request": "Before an assistant joins",
    "event": "At the call's first event",
    "ring": "While it rings",
    "inboundPhoneCall": "Inbound",
    "outboundPhoneCall": "Outbound",
    "webCall": "Web",
}

TONES: Mapping[str, Tone] = {
    "in_sync": "good",
    "active": "good",
    "confirmed": "good",
    "allowed": "good",
    "ok": "good",
    "pending": "wait",
    "paused": "wait",
    "in-progress": "wait",
    "past_due": "wait",
    "unconfirmed": "wait",
    "degraded": "wait",
    "warning": "wait",
    "drifted": "bad",
    "shadowed": "bad",
    "missing": "bad",
    "failed": "bad",
    "blocked": "bad",
    "canceled": "bad",
}


def words(slug: object) -> str:
    """A slug as people read it."""
    text = str(slug or "")
    return WORDS.get(text) or text.replace("_", " ").replace("-", " ").capitalize()


def tone(slug: object) -> Tone:
    """How the badge of a state looks."""
    return TONES.get(str(slug or ""), "calm")


def seconds(value: float | None) -> str:
    """A duration as people read it: 0.8 s, 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    if value is None:
        return "—"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
