"""The kinds of values that the API takes and gives, each with the JSON Schema that says the same."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from service.domain.texts import is_all
from service.domain.wording.blocked_messages import NAMES, UNKNOWN, unknown_placeholders
from service.vapi.bindings import BINDINGS

MAX_ATTRIBUTES_BYTES = 16 * 1024
MAX_ANSWER_BYTES = 64 * 1024

# Control and bidi characters forge lines and names. Joiners stay: some scripts need them.
UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
HIDDEN = re.compile(f"[{UNSAFE}]")
VISIBLE = rf"^[^{UNSAFE}]*[^{UNSAFE}\s][^{UNSAFE}]*$"
"""What `visible` says, for the document: as a check it would take too long on many spaces."""

SEARCHABLE = r"^[^\x00]*$"
VAPI_ID = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$"
CANONICAL_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def visible(value: str) -> str:
    """Refuse what cannot be seen, and a text of nothing but spaces."""
    if HIDDEN.search(value) or not value.strip():
        raise ValueError("has control or direction characters, or nothing to be seen")
    return value


def fillable(value: str) -> str:
    """Refuse what would be spoken in braces: a misspelt placeholder."""
    if unknown := unknown_placeholders(value):
        known = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ValueError(f"has {unknown[0][:60]}; the placeholders are {known}")
    return value


def whole(value: object) -> object:
    """JSON knows one kind of number: 7.0 is as whole as 7."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def uuid_of(value: object) -> UUID:
    """The one way to write a UUID that every reader knows."""
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not is_all(CANONICAL_UUID, value):
        raise ValueError("must be a UUID")
    return UUID(value)


def instant_of(value: object) -> datetime:
    """RFC 3339 with its zone, in UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not is_all(RFC_3339, value):
        raise ValueError("must be an RFC 3339 instant with its zone, like 2030-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not an instant of the calendar") from None


def in_utc(value: datetime) -> str:
    """RFC 3339 in UTC with a Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def small(value: dict[str, Any]) -> dict[str, Any]:
    """Attributes travel with every decision."""
    if len(orjson.dumps(value)) > MAX_ATTRIBUTES_BYTES:
        raise ValueError(f"must not be larger than {MAX_ATTRIBUTES_BYTES} bytes as JSON")
    return value


def answer_of(value: dict[str, Any]) -> dict[str, Any]:
    """What answers a call, in Vapi's words: one of three ids, perhaps with overrides."""
    names = [name for name in BINDINGS if name in value]
    overrides = value.get("assistantOverrides", {})
    if len(names) != 1 or not value.keys() <= {*names, "assistantOverrides"}:
        raise ValueError(f"must have exactly one of {', '.join(BINDINGS)}")
    target = value[names[0]]
    if not isinstance(target, str) or not is_all(VAPI_ID, target):
        raise ValueError(f"{names[0]} must be an id of Vapi's")
    if not isinstance(overrides, dict):
        raise ValueError("assistantOverrides must be an object")  # noqa: TRY004
    if len(orjson.dumps(value)) > MAX_ANSWER_BYTES:
        raise ValueError(f"must not be larger than {MAX_ANSWER_BYTES} bytes as JSON")
    return value


def truth_of(value: str) -> bool:
    """A truth value in a query."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def digits_of(value: str) -> int:
    """An integer in a query."""
    if not is_all(r"[0-9]{1,9}", value):
        raise ValueError("must be a number in plain digits")
    return int(value)


ANSWER_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "properties": {
                name: {"type": "string", "pattern": VAPI_ID},
                "assistantOverrides": {"type": "object"},
            },
            "required": [name],
            "additionalProperties": False,
        }
        for name in BINDINGS
    ]
}

SHOWN = Field(json_schema_extra={"pattern": VISIBLE})
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(visible), SHOWN
]
Sentence = Annotated[
    str, StringConstraints(min_length=1, max_length=1000), AfterValidator(visible), SHOWN
]
Spoken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    AfterValidator(visible),
    AfterValidator(fillable),
    Field(json_schema_extra={"pattern": VISIBLE, "not": {"pattern": UNKNOWN}}),
]
Slug = Annotated[
    str, StringConstraints(min_length=1, max_length=100), AfterValidator(visible), SHOWN
]
VapiId = Annotated[str, StringConstraints(max_length=100, pattern=VAPI_ID)]
Searched = Annotated[str, StringConstraints(max_length=200, pattern=SEARCHABLE)]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    WithJsonSchema(
        {"type": "string", "format": "uri", "maxLength": 2000, "pattern": r"^https?://"}
    ),
]
Id = Annotated[UUID, BeforeValidator(uuid_of), WithJsonSchema({"type": "string", "format": "uuid"})]
Instant = Annotated[
    datetime,
    PlainValidator(instant_of),
    PlainSerializer(in_utc, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Attributes = Annotated[
    dict[str, Any],
    AfterValidator(small),
    WithJsonSchema({"type": "object", "description": "Your own facts, at most 16 KiB as JSON."}),
]
Answer = Annotated[dict[str, Any], AfterValidator(answer_of), WithJsonSchema(ANSWER_SCHEMA)]
Truth = Annotated[bool, BeforeValidator(truth_of), WithJsonSchema({"type": "boolean"})]
