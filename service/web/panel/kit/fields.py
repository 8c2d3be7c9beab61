"""One field of a form, as a template prints it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from service.web.panel.kit.choices import Option, Pair, options_of

FieldKind = Literal[
    "text", "password", "url", "tel", "number", "select", "textarea", "instant", "checkbox"
]


class FormFaults(dict[str, str]):
    """The faults of a form, by field; "" for a field without a fault.

    The key "" is the form as a whole, `form` in templates. `updates` are what another admin changed
    since the form was opened.
    """

    updates: Sequence[Any] = ()

    def __missing__(self, key: str) -> str:
        return ""

    @property
    def form(self) -> str:
        return self[""]


@dataclass(frozen=True, slots=True)
class FormField:
    """A field with its value, its hint and its fault. `notes` are the ids that describe it."""

    name: str
    label: str
    kind: FieldKind
    id: str
    value: str
    hint: str
    fault: str
    notes: str
    options: Sequence[Option]
    required: bool
    autocomplete: str
    placeholder: str
    rows: int
    is_code: bool

    @property
    def is_select(self) -> bool:
        return self.kind == "select"

    @property
    def is_textarea(self) -> bool:
        return self.kind == "textarea"

    @property
    def is_instant(self) -> bool:
        return self.kind == "instant"

    @property
    def has_hint(self) -> bool:
        """An instant has a place for a hint even without one: the script writes the time zone there."""
        return bool(self.hint) or self.is_instant


def utc_field(instant: datetime | None) -> str:
    """A browser's field for instants takes this form, in UTC."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M}"


def form_field(
    name: str,
    label: str,
    values: Mapping[str, Any],
    faults: Mapping[str, str],
    *,
    kind: FieldKind = "text",
    hint: str = "",
    choices: Sequence[Pair] = (),
    required: bool = False,
    autocomplete: str = "off",
    placeholder: str = "",
    rows: int = 3,
    is_code: bool = False,
) -> FormField:
    """A field of a form. `values` are sent or stored values, `faults` the errors by field; `rows` and
    `is_code`, which is monospace, are for a textarea.

    A password is never printed again.
    """
    field_id = f"f-{name.replace('.', '-')}"
    value = None if kind == "password" else values.get(name)
    fault = faults.get(name, "")
    is_instant = kind == "instant"
    notes = [f"{field_id}-hint"] if hint or is_instant else []
    notes += [f"{field_id}-fault"] if fault else []
    return FormField(
        name,
        label,
        kind,
        field_id,
        utc_field(value) if isinstance(value, datetime) else str("" if value is None else value),
        hint,
        fault,
        " ".join(notes),
        options_of(choices, value),
        required,
        autocomplete,
        placeholder,
        rows,
        is_code,
    )
