"""An audit entry as a sentence, and what it changed field by field. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.audit import ACTIONS, AuditEntry
from service.domain.phone_numbers import FieldDrift
from service.domain.wording.audit_phrases import Values
from service.domain.wording.labels import spaced

NAME_FIELDS = ("name", "label", "vapi_phone_number_id", "email")


@dataclass(frozen=True, slots=True)
class ChangeDescription:
    """An audit entry for people. `subject` names the object that was changed."""

    sentence: str
    subject: str
    changes: tuple[FieldDrift, ...]


def describe_change(entry: AuditEntry, names: Mapping[str, str]) -> ChangeDescription:
    """Describe an entry. `names` maps ids to names, as far as they are known."""
    before, after = with_names(entry.before, names), with_names(entry.after, names)
    subject = names.get(entry.object_id) or name_of(entry, before, after)
    phrase = describe_action(entry.action, subject, before, after)
    if entry.undoes is not None:
        phrase = f"undid change {entry.undoes}: {phrase}"
    sentence = phrase[:1].upper() + phrase[1:] + "."
    changes = tuple(field_changes(entry.before, entry.after, names))
    return ChangeDescription(sentence, subject, changes)


def describe_action(slug: str, subject: str, before: Values, after: Values) -> str:
    """The phrase of an action; one that this version does not know is described by its slug."""
    action = ACTIONS.get(slug)
    if action is None:
        noun, _, verb = slug.partition(".")
        return f"{spaced(verb)} the {spaced(noun)} {subject}"
    if isinstance(action.phrase, str):
        return action.phrase.format(name=subject)
    return action.phrase(subject, before, after)


def with_names(values: Values | None, names: Mapping[str, str]) -> Values:
    """Values with names in the place of ids."""
    known = (values or {}).items()
    return {key: names.get(text, text) if isinstance(text, str) else text for key, text in known}


def name_of(entry: AuditEntry, before: Values, after: Values) -> str:
    """The name of an object that no longer exists."""
    for values in (after, before):
        for field in NAME_FIELDS:
            if isinstance(found := values.get(field), str):
                return found
    return entry.object_id[:8] if len(entry.object_id) == 36 else entry.object_id


def field_changes(
    before: Values | None, after: Values | None, names: Mapping[str, str]
) -> Iterator[FieldDrift]:
    """Changes by dotted field path; a known id is followed by its name."""
    old, new = flat(before or {}), flat(after or {})
    for field in {**old, **new}:
        was, becomes = old.get(field), new.get(field)
        if was != becomes:
            yield FieldDrift(field, desired=named(becomes, names), observed=named(was, names))


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
