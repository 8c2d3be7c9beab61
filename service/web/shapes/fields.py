"""Types of fields, each with a JSON Schema that states the same rule."""

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

from policies.host.ids import canonical_id, find_uuid, parse_id_query, parse_vapi_id
from policies.host.marks import MARKS, SPACES, UNSAFE
from policies.host.phone_numbers import PASTED_NUMBER, parse_phone_number
from policies.host.spoken import UNKNOWN, parse_spoken
from policies.host.time_zones import TIME_ZONE, parse_time_zone
from service.domain.instants import parse_instant, within
from service.domain.texts import is_all
from service.inputs.languages import LANGUAGE_TAG, parse_language
from service.inputs.names import parse_name, parse_query, parse_text
from service.inputs.urls import clean_url
from service.vapi.bindings import BINDINGS

MAX_ATTRIBUTES_BYTES = 16 * 1024
MAX_ANSWER_BYTES = 64 * 1024

PADDING = f"[{SPACES}{MARKS}]*"
EDGE = f"[^{UNSAFE}{SPACES}{MARKS}]"
VISIBLE = rf"^{PADDING}{EDGE}([^{UNSAFE}]*{EDGE})?{PADDING}$"
"""The rule of `parse_name` for the document. As a check it would be slow on many spaces."""
SPOKEN = VISIBLE.replace(UNSAFE, UNSAFE.replace(r"\x00-\x1f", r"\x00-\x09\x0b\x0c\x0e-\x1f"))
"""The same, with line breaks inside, for texts that are spoken."""

SEARCHABLE = r"^[^\x00]*$"
VAPI_ID = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$"
PASTED_ID = rf"^{PADDING}[A-Za-z0-9][A-Za-z0-9_.:{MARKS}-]{{0,99}}{PADDING}$"


def whole(value: object) -> object:
    """Accept 7.0 as 7: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def number(value: object) -> object:
    """Accept 7 as 7.0, but not true."""
    return float(value) if type(value) is int and abs(value) < 2**53 else value


def uuid_of(value: object) -> UUID:
    """Parse a UUID as people paste it."""
    if isinstance(value, UUID):
        return value
    found = find_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a UUID")
    return found


def instant_of(value: object) -> datetime:
    """Parse an RFC 3339 instant of 1970–2999 with a time zone, into UTC."""
    return value if isinstance(value, datetime) else parse_instant(value)


def in_utc(value: datetime) -> str:
    """Format an instant as RFC 3339 in UTC with a Z."""
    return within(value).astimezone(UTC).isoformat().replace("+00:00", "Z")


def small(value: dict[str, Any]) -> dict[str, Any]:
    """Limit the size of attributes: every decision carries them."""
    if len(orjson.dumps(value)) > MAX_ATTRIBUTES_BYTES:
        raise ValueError(f"must not be larger than {MAX_ATTRIBUTES_BYTES} bytes as JSON")
    return value


def answer_of(value: dict[str, Any]) -> dict[str, Any]:
    """Check the answer to a call, in Vapi's field names: one of three ids, optionally with overrides."""
    names = [name for name in BINDINGS if name in value]
    overrides = value.get("assistantOverrides", {})
    if len(names) != 1 or not value.keys() <= {*names, "assistantOverrides"}:
        raise ValueError(f"must have exactly one of {', '.join(BINDINGS)}")
    target = value[names[0]]
    if not isinstance(target, str):
        raise ValueError(f"{names[0]} must be an id of Vapi")  # noqa: TRY004
    value = {**value, names[0]: parse_vapi_id(target, names[0])}
    if not isinstance(overrides, dict):
        raise ValueError("assistantOverrides must be an object")  # noqa: TRY004
    if len(orjson.dumps(value)) > MAX_ANSWER_BYTES:
        raise ValueError(f"must not be larger than {MAX_ANSWER_BYTES} bytes as JSON")
    return value


def fallback_of(value: dict[str, Any]) -> dict[str, Any]:
    """Check what answers a call instead of an organization's server: an answer, or a number."""
    if "destination" not in value:
        return answer_of(value)
    destination = value["destination"]
    if value.keys() != {"destination"} or not isinstance(destination, dict):
        raise ValueError("must have an id of Vapi, or a destination and nothing else")
    if destination.keys() != {"type", "number"} or destination["type"] != "number":
        raise ValueError('destination must be {"type": "number", "number": "+15550100"}')
    if not isinstance(destination["number"], str):
        raise ValueError("destination.number must be a phone number")  # noqa: TRY004
    number = parse_phone_number(destination["number"])
    return {"destination": {"type": "number", "number": number}}


def truth_of(value: str) -> bool:
    """Parse a truth value of a query."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def digits_of(value: str) -> int:
    """Parse an integer of a query."""
    if not is_all(r"[0-9]{1,9}", value):
        raise ValueError("must be a number in digits")
    return int(value)


ANSWER_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "properties": {
                name: {"type": "string", "maxLength": 100, "pattern": PASTED_ID},
                "assistantOverrides": {"type": "object"},
            },
            "required": [name],
            "additionalProperties": False,
        }
        for name in BINDINGS
    ]
}

FALLBACK_SCHEMA = {
    "oneOf": [
        *ANSWER_SCHEMA["oneOf"],
        {
            "type": "object",
            "properties": {
                "destination": {
                    "type": "object",
                    "properties": {
                        "type": {"const": "number"},
                        "number": {"type": "string", "maxLength": 60, "pattern": PASTED_NUMBER},
                    },
                    "required": ["type", "number"],
                    "additionalProperties": False,
                }
            },
            "required": ["destination"],
            "additionalProperties": False,
        },
    ]
}

SHOWN = Field(json_schema_extra={"pattern": VISIBLE})
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(parse_name), SHOWN
]
Sentence = Annotated[
    str, StringConstraints(min_length=1, max_length=1000), AfterValidator(parse_text), SHOWN
]
Spoken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    AfterValidator(parse_spoken),
    Field(json_schema_extra={"pattern": SPOKEN, "not": {"pattern": UNKNOWN}}),
]
Slug = Annotated[
    str, StringConstraints(min_length=1, max_length=100), AfterValidator(parse_name), SHOWN
]
VapiId = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(parse_vapi_id),
    Field(json_schema_extra={"pattern": PASTED_ID}),
]
E164 = Annotated[
    str,
    StringConstraints(max_length=60),
    AfterValidator(parse_phone_number),
    Field(json_schema_extra={"pattern": PASTED_NUMBER}),
]
Language = Annotated[
    str,
    StringConstraints(max_length=35),
    AfterValidator(parse_language),
    Field(json_schema_extra={"pattern": LANGUAGE_TAG}),
]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(parse_time_zone),
    Field(json_schema_extra={"pattern": TIME_ZONE}),
]
Searched = Annotated[
    str, StringConstraints(max_length=200, pattern=SEARCHABLE), AfterValidator(parse_query)
]
SearchedId = Annotated[
    str, StringConstraints(max_length=200, pattern=SEARCHABLE), AfterValidator(parse_id_query)
]
SearchedSlug = Annotated[Searched, AfterValidator(str.lower)]
"""A name or a reason of a policy, or an action: they have small letters."""
SearchedObject = Annotated[Searched, AfterValidator(canonical_id)]
"""The id of any object."""
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(clean_url),
    WithJsonSchema(
        {"type": "string", "format": "uri", "maxLength": 2000, "pattern": r"^https?://"}
    ),
]
Id = Annotated[UUID, BeforeValidator(uuid_of), WithJsonSchema({"type": "string", "format": "uuid"})]
Instant = Annotated[
    datetime,
    PlainValidator(instant_of),
    PlainSerializer(in_utc, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "In the years 1970 to 2999."}
    ),
]
Attributes = Annotated[
    dict[str, Any],
    AfterValidator(small),
    WithJsonSchema({"type": "object", "description": "Your own facts, at most 16 KiB as JSON."}),
]
Answer = Annotated[dict[str, Any], AfterValidator(answer_of), WithJsonSchema(ANSWER_SCHEMA)]
Fallback = Annotated[dict[str, Any], AfterValidator(fallback_of), WithJsonSchema(FALLBACK_SCHEMA)]
Truth = Annotated[bool, BeforeValidator(truth_of), WithJsonSchema({"type": "boolean"})]
