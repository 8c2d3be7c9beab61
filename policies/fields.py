"""Types of fields for the settings of policies, each checked when a value is entered."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from policies.host.diversions import BINDINGS, fit_diversion
from policies.host.ids import parse_vapi_id
from policies.host.phone_numbers import parse_phone_number
from policies.host.spoken import MOST_SPOKEN, fit_spoken
from policies.host.spoken import parse_spoken as parse_sentence
from policies.host.time_zones import parse_time_zone


def parse_spoken(text: str) -> str:
    """A sentence for `message`, on one line. Raises `ValueError`."""
    fitted = fit_spoken(parse_sentence(text[:MOST_SPOKEN]))
    if fitted is None or len(text) > MOST_SPOKEN:
        raise ValueError(f"write a sentence of up to {MOST_SPOKEN} visible characters")
    return fitted


def parse_diversion(given: object) -> str | Mapping[str, Any]:
    """A place for `divert_to`: numbers and ids of Vapi as people paste them. Raises `ValueError`."""
    fitted = fit_diversion(canonical_diversion(given))
    if fitted is None:
        raise ValueError(
            'give a phone number such as +15550100200, or what Vapi takes: {"assistantId": "…"}, '
            '{"squadId": "…"}, {"workflowId": "…"} or {"destination": {"type": "number", "number": "…"}}'
        )
    return fitted


def canonical_diversion(given: object) -> object:
    """A place with its number or id in canonical form. Raises `ValueError`."""
    if isinstance(given, str):
        return parse_phone_number(given)
    if not isinstance(given, Mapping):
        return given
    found = {
        name: parse_vapi_id(value, name) if name in BINDINGS and isinstance(value, str) else value
        for name, value in given.items()
    }
    place = found.get("destination")
    if isinstance(place, Mapping) and isinstance(number := place.get("number"), str):
        found["destination"] = {**place, "number": parse_phone_number(number)}
    return found


Spoken = Annotated[str, AfterValidator(parse_spoken)]
"""What a caller hears: for `message` of a verdict."""
Diversion = Annotated[
    str | Mapping[str, Any],
    PlainValidator(parse_diversion),
    WithJsonSchema({"type": ["string", "object"]}),
]
"""Where a denied call goes: for `divert_to` of a verdict."""
TimeZone = Annotated[str, AfterValidator(parse_time_zone)]
"""The name of a time zone (IANA)."""
