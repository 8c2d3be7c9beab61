"""The sentence a blocked caller hears: in the refusal, the goodbye and the ringing hook. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from policies.host.spoken import MOST_SPOKEN, PLACEHOLDER
from service.domain.decisions import NO_TERMS, CallTerms
from service.domain.handling import BlockedMessage
from service.domain.organizations import Organization
from service.domain.usage.periods import zone_of
from service.domain.wording.dates import format_until
from service.domain.wording.labels import spaced
from service.settings import DEFAULT_BLOCKED_MESSAGE

REASONS: Mapping[str, str] = {
    "override_deny": "calls are switched off",
    "plan_ended": "the plan has ended",
    "plan_past_due": "the plan is past due",
    "plan_unpaid": "the plan is unpaid",
    "plan_incomplete": "the plan has no first payment",
    "plan_paused": "the plan is paused",
    "trial_expired": "the trial has ended",
    "no_plan_or_trial": "there is no plan",
    "policy_failed": "it could not be checked",
    "outside_opening_hours": "it is outside of the opening hours",
    "holiday": "it is a holiday",
    "quota_minutes": "the minutes of this period are used up",
    "quota_calls": "the calls of this period are used up",
    "quota_cost": "the budget of this period is used up",
    "too_many_calls": "all lines are busy",
    "caller_blocked": "this number is blocked",
    "caller_anonymous": "calls without a number are not taken",
    "caller_not_allowed": "this number is not on the list of callers",
    "caller_too_often": "there were too many calls from this number",
}
"""Reasons within a sentence; a plugin's reason is spoken with spaces for underscores."""


def format_blocked_message(
    organization: Organization,
    reason: str,
    default: str,
    at: datetime,
    terms: CallTerms = NO_TERMS,
) -> str:
    """The sentence for a blocked caller of an organization.

    Its own message for this reason comes first, then what the policy that denied says (`terms`), then
    the most specific of its other messages, its `blocked_message`, and the service's default. `{date}`
    is the day of `at` in the organization's time zone, `{until}` when calls may pass again. The sentence
    is never empty: Vapi treats an empty error as no refusal.
    """
    chosen = choose_message(organization.blocked_messages, reason, organization.handling.language)
    said, zone = terms.message, zone_of(organization.time_zone)
    if said is not None and (chosen is None or chosen.reason is None):
        text = said
    else:
        text = chosen.text if chosen else organization.blocked_message or default
    values = {
        "organization": organization.name,
        "reason": REASONS.get(reason, spaced(reason)),
        "date": at.astimezone(zone).date().isoformat(),
        "until": format_until(terms.until, at, zone),
    }
    return fill_placeholders(text, values).strip()[:MOST_SPOKEN].rstrip() or DEFAULT_BLOCKED_MESSAGE


def choose_message(
    messages: Sequence[BlockedMessage], reason: str, language: str | None
) -> BlockedMessage | None:
    """The most specific message: one for this reason before one for all, then by language.

    `zh-Hans-CN` prefers `zh-Hans` to `zh` (RFC 4647, look-up). Among equals the first wins.
    """
    best: tuple[tuple[bool, int], BlockedMessage] | None = None
    for message in messages:
        if message.reason not in (None, reason):
            continue
        fit = language_rank(message.language, language)
        if fit is None:
            continue
        rank = (message.reason is not None, fit)
        if best is None or rank > best[0]:
            best = (rank, message)
    return best[1] if best else None


def language_rank(written: str | None, wanted: str | None) -> int | None:
    """How many subtags of the wanted language the written one has; None: it does not fit."""
    if written is None:
        return 0
    if wanted is None or not f"{wanted}-".startswith(f"{written}-"):
        return None
    return written.count("-") + 1


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Replace known placeholders; others stay as they are."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
