"""Labels for slugs (states, reasons, gates) and durations as text. Pure.

An unknown slug, such as a plugin's reason, becomes its own words.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

Tone = Literal["good", "bad", "wait", "calm"]
"""How a badge looks: good, needs an admin, in progress, neutral."""

LABELS: Mapping[str, str] = {
    "override_allow": "Allowed by an override",
    "override_deny": "Blocked by an override",
    "plan_active": "Plan is active",
    "plan_paid_until": "Plan canceled, paid until its end",
    "plan_in_grace": "Plan in its grace period",
    "trial_active": "Trial is running",
    "trial_expired": "Trial has ended",
    "plan_ended": "Plan has ended",
    "plan_past_due": "Plan is past due",
    "plan_unpaid": "Plan is unpaid",
    "plan_incomplete": "Plan has no first payment",
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
    "trialing": "Trialing",
    "unpaid": "Unpaid",
    "incomplete": "Incomplete",
    "incomplete_expired": "Incomplete, expired",
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
    "trialing": "good",
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
    "error": "bad",
    "notice": "calm",
    "drifted": "bad",
    "shadowed": "bad",
    "missing": "bad",
    "failed": "bad",
    "blocked": "bad",
    "canceled": "bad",
    "unpaid": "bad",
    "incomplete": "bad",
    "incomplete_expired": "bad",
}


def label_slug(slug: object) -> str:
    """The label of a slug."""
    text = str(slug or "")
    return LABELS.get(text) or spaced(text).replace("-", " ").capitalize()


def label_in_sentence(slug: object) -> str:
    """The label of a slug, to continue a sentence."""
    text = label_slug(slug)
    return text[:1].lower() + text[1:]


def spaced(slug: str) -> str:
    """A slug with spaces for its underscores."""
    return slug.replace("_", " ")


def tone_of(slug: object) -> Tone:
    """The tone of a state's badge."""
    return TONES.get(str(slug or ""), "calm")


def format_seconds(value: float | None) -> str:
    """A duration: 0.8 s, 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
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


def format_count(count: int, one: str, several: str) -> str:
    """A count with its noun: 1 call, 2,000 calls."""
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


def format_utc(instant: datetime) -> str:
    """An instant to the minute: 2026-03-01 09:30 UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
