"""Phrases for changes that a template cannot say: "gave Acme the plan pro (active)". Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from service.domain.wording.labels import spaced

SHORT = 60
MOST_FIELDS = 3

Values = Mapping[str, Any]
Phrase = Callable[[str, Values, Values], str]
"""Takes the object's name and its values before and after; begins with a verb, without a full stop."""


def describe_fields(name: str, before: Values, after: Values) -> str:
    """Which fields changed; a single short one with its old and new value."""
    fields = [field for field in {**before, **after} if before.get(field) != after.get(field)]
    if len(fields) == 1:
        old, new = before.get(fields[0]), after.get(fields[0])
        if is_short(old) and is_short(new):
            label = label_field(fields[0])
            return f"changed the {label} of {name} from {format_value(old)} to {format_value(new)}"
    some = [label_field(field) for field in fields[:MOST_FIELDS]]
    if len(fields) > MOST_FIELDS:
        some.append(f"{len(fields) - MOST_FIELDS} more")
    listed = " and ".join((", ".join(some[:-1]), some[-1])) if len(some) > 1 else "".join(some)
    return f"changed the {listed or 'fields'} of {name}"


def describe_forgotten_caller(_name: str, _before: Values, after: Values) -> str:
    removed = f"removed a caller's number from {after.get('calls', 0)} calls"
    if waiting := after.get("waiting"):
        return f"{removed}; {waiting} on the way to PostgreSQL not forgotten yet"
    return removed


def describe_expired_calls(_name: str, _before: Values, after: Values) -> str:
    return f"deleted {after.get('rows', 0)} calls past their age"


def describe_plan(name: str, before: Values, after: Values) -> str:
    old, plan = before.get("plan"), after.get("plan") or {}
    if old is None:
        return f"gave {name} the plan {plan.get('code')} ({spaced(plan.get('status', ''))})"
    return describe_fields(f"the plan of {name}", old, plan)


def describe_trial(name: str, before: Values, after: Values) -> str:
    old, trial = before.get("trial"), after.get("trial") or {}
    if old is None:
        return f"gave {name} a trial until {format_instant(trial.get('ends_at'))}"
    if old.get("starts_at") == trial.get("starts_at"):
        ends = format_instant(old.get("ends_at")), format_instant(trial.get("ends_at"))
        return f"moved the end of the trial of {name} from {ends[0]} to {ends[1]}"
    return f"set a new trial of {name} until {format_instant(trial.get('ends_at'))}"


def describe_override(name: str, _before: Values, after: Values) -> str:
    override = after.get("override") or {}
    does = "allowed" if override.get("effect") == "allow" else "blocked"
    end = f" until {format_instant(override['expires_at'])}" if override.get("expires_at") else ""
    return f"{does} all calls of {name} by an override{end}: “{override.get('reason')}”"


def describe_own_policy(name: str, before: Values, after: Values) -> str:
    """Which mode or settings of a policy an organization got."""
    old, new = before.get("policies") or {}, after.get("policies") or {}
    (policy,) = {**old, **new} or ("",)
    was, becomes = old.get(policy), new.get(policy)
    subject = f"the policy {spaced(policy)} of {name}"
    if becomes is None:
        return f"removed the choices for {subject}"
    if (was or {}).get("settings") != becomes.get("settings"):
        return f"changed the settings of {subject}"
    return f"set {subject} to {becomes.get('mode') or 'the mode for all'}"


def describe_policy(name: str, before: Values, after: Values) -> str:
    """What changed of a policy for all organizations."""
    return describe_fields(f"the policy {spaced(name)}", before, after)


def describe_removal(entitlement: str) -> Phrase:
    """The phrase for removing a plan, a trial or an override."""

    def describe(name: str, before: Values, _after: Values) -> str:
        code = (before.get(entitlement) or {}).get("code")
        removed = f"{entitlement} {code}" if code else entitlement
        return f"removed the {removed} of {name}"

    return describe


def describe_upload(name: str, _before: Values, after: Values) -> str:
    noun = "organizations" if after.get("kind") == "organizations" else "numbers"
    return f"uploaded {name} to import its {noun}"


def describe_import(name: str, _before: Values, after: Values) -> str:
    rows = after.get("rows") or {}
    words = {"create": "to add", "update": "to change", "unchanged": "unchanged", "error": "failed"}
    told = [f"{rows[kind]} {word}" for kind, word in words.items() if rows.get(kind)]
    return f"imported {name}{': ' if told else ''}{', '.join(told)}"


def describe_pause(name: str, _before: Values, after: Values) -> str:
    end = f" until {format_instant(after['until'])}" if after.get("until") else ""
    return f"paused {name}{end}: “{after.get('reason')}”"


def describe_pause_of_all(_name: str, before: Values, after: Values) -> str:
    return describe_pause("all repairs", before, after)


def describe_sign_in(_name: str, _before: Values, after: Values) -> str:
    return f"signed in from {after.get('address') or 'an unknown address'}"


def describe_revoked_session(_name: str, before: Values, _after: Values) -> str:
    return f"ended a session of {before.get('admin')}"


def describe_role(name: str, before: Values, after: Values) -> str:
    return f"changed the role of {name} from {before.get('role')} to {after.get('role')}"


def is_short(value: object) -> bool:
    return not isinstance(value, dict | list) and len(str(value)) <= SHORT


def format_value(value: object) -> str:
    """A value inside a sentence."""
    if value is None or value == "":
        return "nothing"
    return format_instant(value) if isinstance(value, str) else str(value).lower()


def format_instant(value: object) -> str:
    """An ISO instant as people write it; any other text in quotation marks."""
    text = str(value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return f"“{text}”"
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found.tzinfo else f"“{text}”"


def label_field(field: str) -> str:
    return "organization" if field == "organization_id" else spaced(field)
