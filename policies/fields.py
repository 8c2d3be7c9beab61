"""Types of fields for the settings of policies, each checked when a value is entered."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from policies.host.diversions import fit_diversion
from policies.host.spoken import MOST_SPOKEN, fit_spoken


def parse_spoken(text: str) -> str:
    """A sentence for `message`, on one line. Raises `ValueError`."""
    fitted = fit_spoken(text)
    if fitted is None:
        raise ValueError(
            f"write a sentence of up to {MOST_SPOKEN} characters; of words in braces it may have "
            "{organization}, {reason}, {date} and {until}"
        )
    return fitted


def parse_diversion(given: object) -> str | Mapping[str, Any]:
    """A place for `divert_to`. Raises `ValueError`."""
    fitted = fit_diversion(given)
    if fitted is None:
        raise ValueError(
            'give a phone number such as +15550100200, or what Vapi takes: {"assistantId": "…"}, '
            '{"squadId": "…"}, {"workflowId": "…"} or {"destination": {"type": "number", "number": "…"}}'
        )
    return fitted


def parse_time_zone(name: str) -> str:
    """The name of a time zone of this machine. Raises `ValueError`."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("write the name of a time zone, such as Europe/Berlin or UTC") from None
    return name


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
