"""What a blocked caller hears. Pure; the refusal, the goodbye and the ringing hook all say this."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from service.domain.handling import BlockedMessage
from service.domain.organizations import Organization
from service.settings import DEFAULT_BLOCKED_MESSAGE

MOST_CHARACTERS = 1000
"""Vapi speaks at most 4,000; nobody listens to more than a minute."""

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
NAMES = ("organization", "reason", "date")
UNKNOWN = r"\{(?!(organization|reason|date)\})[^{}]*\}"
"""What `unknown_placeholders` finds, for the API's document."""

REASONS: Mapping[str, str] = {
    "override_deny": "calls are switched off",
    "plan_ended": "the plan has ended",
    "plan_past_due": "the plan is past due",
    "plan_paused": "the plan is paused",
    "trial_expired": "the trial has ended",
    "no_plan_or_trial": "there is no plan",
    "policy_failed": "it could not be checked",
}
"""Reasons as people say them; those of plugins are said with spaces for underscores."""


def blocked_text(organization: Organization, reason: str, default: str, at: datetime) -> str:
    """The sentence for a blocked caller of an organization.

    Its own messages come first, the most particular one of them, then its `blocked_message`, then
    the service's default. It is never empty: Vapi would take that for no refusal.
    """
    chosen = choose(organization.blocked_messages, reason, organization.handling.language)
    text = chosen.text if chosen else organization.blocked_message or default
    values = {
        "organization": organization.name,
        "reason": REASONS.get(reason, reason.replace("_", " ")),
        "date": at.date().isoformat(),
    }
    return fill(text, values).strip()[:MOST_CHARACTERS].rstrip() or DEFAULT_BLOCKED_MESSAGE


def unknown_placeholders(text: str) -> list[str]:
    """What looks like a placeholder in a text and is none: it would be spoken as it is written."""
    return [match[0] for match in PLACEHOLDER.finditer(text) if match[1] not in NAMES]


def choose(
    messages: Sequence[BlockedMessage], reason: str, language: str | None
) -> BlockedMessage | None:
    """The message that says most: for this reason before any, in this language before any.

    `de-CH` is served by `de`. Among equals the first one counts.
    """
    best: tuple[int, BlockedMessage] | None = None
    for message in messages:
        if message.reason not in (None, reason):
            continue
        spoken = rank_of_language(message.language, language)
        if spoken is None:
            continue
        rank = (4 if message.reason else 0) + spoken
        if best is None or rank > best[0]:
            best = (rank, message)
    return best[1] if best else None


def rank_of_language(written: str | None, wanted: str | None) -> int | None:
    """How well a message's language fits; None: not at all."""
    if written is None:
        return 0
    if wanted is None:
        return None
    if written == wanted:
        return 2
    return 1 if wanted.startswith(f"{written}-") else None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in; what is no placeholder of ours stays as it is written."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
