"""Drop-down lists: options, and which of them is selected. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.domain.wording.labels import label_slug

ACCESS_REASONS = (
    "plan_active",
    "plan_paid_until",
    "plan_in_grace",
    "trial_active",
    "override_allow",
    "override_deny",
    "trial_expired",
    "plan_ended",
    "plan_past_due",
    "plan_unpaid",
    "plan_incomplete",
    "plan_paused",
    "no_plan_or_trial",
    "outside_opening_hours",
    "holiday",
    "quota_minutes",
    "quota_calls",
    "quota_cost",
    "too_many_calls",
    "caller_blocked",
    "caller_anonymous",
    "caller_not_allowed",
    "caller_too_often",
)
"""The reasons of the built-in policies."""

PLAN_STATUSES = (
    ("active", "Active: allowed until the end of the period, or without end"),
    ("trialing", "Trialing: allowed as active"),
    ("past_due", "Past due: allowed until the end of the grace period"),
    ("unpaid", "Unpaid: blocked"),
    ("canceled", "Canceled: allowed until the end of the paid period"),
    ("paused", "Paused: blocked"),
    ("incomplete", "Incomplete: blocked until the first payment"),
    ("incomplete_expired", "Incomplete, expired: blocked"),
)
"""The statuses of a plan, each with its effect."""

Pair = tuple[object, str]
"""The value of an option and its text."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a list."""

    value: str
    text: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A drop-down list that filters a page's list. Its first option is "Any"."""

    name: str
    label: str
    options: Sequence[Option]


def options_of(pairs: Iterable[Pair], chosen: object) -> list[Option]:
    """Options with the chosen one selected; values are compared as texts."""
    selected = "" if chosen is None else str(chosen)
    return [Option(str(value), text, str(value) == selected) for value, text in pairs]


def filter_of(name: str, label: str, pairs: Iterable[Pair], chosen: object) -> Filter:
    """A filter. A chosen value that is not among the pairs, a plugin's reason for instance, is added."""
    options = options_of([("", "Any"), *pairs], chosen)
    if chosen and not any(option.selected for option in options):
        options.append(Option(str(chosen), label_slug(chosen), selected=True))
    return Filter(name, label, options)


def labelled(slugs: Iterable[str]) -> list[Pair]:
    """Slugs with their labels."""
    return [(slug, label_slug(slug)) for slug in slugs]


def plain(values: Iterable[str]) -> list[Pair]:
    """Values that are their own texts."""
    return [(value, value) for value in values]
