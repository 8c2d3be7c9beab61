"""An entry of the audit as a sentence, and what it changed field by field. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.domain.phone_numbers import FieldDrift
from service.store.audit import AuditEntry

SHORT = 60
MOST_FIELDS = 3

Values = Mapping[str, Any]
Phrase = Callable[[str, Values, Values], str]

SIMPLE: Mapping[str, str] = {
    "organization.created": "added the organization {name}",
    "organization.deleted": "removed the organization {name}",
    "phone_number.created": "added the number {name}",
    "phone_number.released": "removed the number {name}",
    "phone_number.rolled_back": "rolled the webhook of {name} back",
    "phone_number.resumed": "resumed {name}",
    "import.created": "uploaded {name} to import its numbers",
    "import.applied": "imported the numbers of {name}",
    "import.canceled": "canceled the import of {name}",
    "reconcile.ordered": "let all numbers be repaired",
    "reconcile.resumed": "resumed all repairs",
    "unknown_number.ignored": "put the unregistered number {name} aside",
    "unknown_number.heeded": "took the unregistered number {name} up again",
    "admin.created": "added the admin {name}",
    "admin.disabled": "disabled the admin {name}",
    "admin.enabled": "enabled the admin {name}",
    "admin.password_changed": "changed the password of {name}",
    "admin.sessions_revoked": "ended all sessions of {name}",
    "session.ended": "signed out",
    "token.created": "made the API token {name}",
    "token.revoked": "revoked the API token {name}",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An entry retold. `subject` is what people call what was changed."""

    sentence: str
    subject: str
    changes: tuple[FieldDrift, ...]


def tell_change(entry: AuditEntry, names: Mapping[str, str]) -> Told:
    """What somebody did. `names` are those of ids, as far as there are any."""
    before, after = with_names(entry.before, names), with_names(entry.after, names)
    subject = names.get(entry.object_id) or name_of(entry, before, after)
    phrase = PHRASES.get(entry.action)
    if entry.action in SIMPLE:
        did = SIMPLE[entry.action].format(name=subject)
    elif phrase is not None:
        did = phrase(subject, before, after)
    else:
        noun, _, verb = entry.action.partition(".")
        did = f"{spoken(verb)} the {spoken(noun)} {subject}"
    if entry.undoes is not None:
        did = f"took change {entry.undoes} back: {did}"
    sentence = did[:1].upper() + did[1:] + "."
    return Told(sentence, subject, tuple(field_changes(entry.before, entry.after, names)))


def with_names(values: Values | None, names: Mapping[str, str]) -> Values:
    """Values with what people call it in the place of an id."""
    known = (values or {}).items()
    return {key: names.get(text, text) if isinstance(text, str) else text for key, text in known}


def name_of(entry: AuditEntry, before: Values, after: Values) -> str:
    """What something that is gone was called."""
    for values in (after, before):
        for field in ("name", "label", "vapi_phone_number_id", "email"):
            if isinstance(found := values.get(field), str):
                return found
    return entry.object_id[:8] if len(entry.object_id) == 36 else entry.object_id


def tell_fields(name: str, before: Values, after: Values) -> str:
    """Which fields of something were changed; one that is short says from what to what."""
    fields = [field for field in {**before, **after} if before.get(field) != after.get(field)]
    if len(fields) == 1:
        was, is_now = before.get(fields[0]), after.get(fields[0])
        if is_short(was) and is_short(is_now):
            what = field_words(fields[0])
            return f"changed the {what} of {name} from {quoted(was)} to {quoted(is_now)}"
    some = [field_words(field) for field in fields[:MOST_FIELDS]]
    if len(fields) > MOST_FIELDS:
        some.append(f"{len(fields) - MOST_FIELDS} more")
    listed = " and ".join((", ".join(some[:-1]), some[-1])) if len(some) > 1 else "".join(some)
    return f"changed the {listed or 'fields'} of {name}"


def tell_plan(name: str, before: Values, after: Values) -> str:
    was, plan = before.get("plan"), after.get("plan") or {}
    if was is None:
        return f"gave {name} the plan {plan.get('code')} ({spoken(plan.get('status', ''))})"
    return tell_fields(f"the plan of {name}", was, plan)


def tell_trial(name: str, before: Values, after: Values) -> str:
    was, trial = before.get("trial"), after.get("trial") or {}
    if was is None:
        return f"gave {name} a trial until {instant(trial.get('ends_at'))}"
    if was.get("starts_at") == trial.get("starts_at"):
        ends = instant(was.get("ends_at")), instant(trial.get("ends_at"))
        return f"moved the end of the trial of {name} from {ends[0]} to {ends[1]}"
    return f"set a new trial of {name} until {instant(trial.get('ends_at'))}"


def tell_override(name: str, _before: Values, after: Values) -> str:
    override = after.get("override") or {}
    does = "allowed" if override.get("effect") == "allow" else "blocked"
    end = f" until {instant(override['expires_at'])}" if override.get("expires_at") else ""
    return f"{does} all calls of {name} by an override{end}: “{override.get('reason')}”"


def taken_away(kind: str) -> Phrase:
    def tell(name: str, before: Values, _after: Values) -> str:
        code = (before.get(kind) or {}).get("code")
        return f"removed the {kind} {code} of {name}" if code else f"removed the {kind} of {name}"

    return tell


def tell_pause(name: str, _before: Values, after: Values) -> str:
    end = f" until {instant(after['until'])}" if after.get("until") else ""
    return f"paused {name}{end}: “{after.get('reason')}”"


def tell_pause_of_all(_name: str, before: Values, after: Values) -> str:
    return tell_pause("all repairs", before, after)


def tell_sign_in(_name: str, _before: Values, after: Values) -> str:
    return f"signed in from {after.get('address') or 'somewhere'}"


def tell_end_of_session(_name: str, before: Values, _after: Values) -> str:
    return f"ended a session of {before.get('admin')}"


def tell_role(name: str, before: Values, after: Values) -> str:
    return f"gave {name} the role {after.get('role')} instead of {before.get('role')}"


PHRASES: Mapping[str, Phrase] = {
    "admin.role_changed": tell_role,
    "organization.changed": tell_fields,
    "phone_number.changed": tell_fields,
    "plan.put": tell_plan,
    "trial.put": tell_trial,
    "override.put": tell_override,
    "plan.deleted": taken_away("plan"),
    "trial.deleted": taken_away("trial"),
    "override.deleted": taken_away("override"),
    "phone_number.paused": tell_pause,
    "reconcile.paused": tell_pause_of_all,
    "session.started": tell_sign_in,
    "session.revoked": tell_end_of_session,
}


def field_changes(
    before: Values | None, after: Values | None, names: Mapping[str, str]
) -> Iterator[FieldDrift]:
    """Field by field, parts of fields too; ids that have a name are shown with it."""
    was, is_now = flat(before or {}), flat(after or {})
    for field in {**was, **is_now}:
        old, new = was.get(field), is_now.get(field)
        if old != new:
            yield FieldDrift(field, desired=named(new, names), observed=named(old, names))


def flat(values: Values, prefix: str = "") -> dict[str, Any]:
    """Values by dotted path."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def named(value: object, names: Mapping[str, str]) -> object:
    return f"{names[value]} ({value})" if isinstance(value, str) and value in names else value


def is_short(value: object) -> bool:
    if isinstance(value, dict | list):
        return False
    return len(str(value)) <= SHORT


def quoted(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return instant(value) if isinstance(value, str) else str(value).lower()


def instant(value: object) -> str:
    """An instant out of the audit as people write it; any other text in quotation marks."""
    text = str(value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return f"“{text}”"
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found.tzinfo else f"“{text}”"


def field_words(field: str) -> str:
    return "organization" if field == "organization_id" else spoken(field)


def spoken(slug: str) -> str:
    return slug.replace("_", " ")
