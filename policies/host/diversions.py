"""Where a denied call goes instead of being refused: checked, and as an answer that Vapi takes. Pure."""

import re
from collections.abc import Mapping
from typing import Any

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
ID = re.compile(r"[\x21-\x7e]{1,128}")
SIP = re.compile(r"sips?:[\x21-\x7e]{1,500}")
BINDINGS = ("assistantId", "squadId", "workflowId")
TEXTS = {"message": 1000, "callerId": 40, "extension": 10}
"""Further fields of a destination, with the most characters that Vapi takes."""
FIELDS = {"number": {"number", *TEXTS}, "sip": {"sipUri", "message"}}
"""The fields of a destination by its `type`."""


def fit_diversion(given: object) -> str | Mapping[str, Any] | None:
    """A copy of what a policy gives as `divert_to`; None if Vapi would not take it."""
    if type(given) is str:
        return given if E164.fullmatch(given) else None
    if not isinstance(given, Mapping) or len(given) != 1:
        return None
    ((name, value),) = given.items()
    if name == "destination":
        destination = fit_destination(value)
        return None if destination is None else {name: destination}
    fits = name in BINDINGS and type(value) is str and ID.fullmatch(value)
    return {name: value} if fits else None


def fit_destination(given: object) -> Mapping[str, Any] | None:
    """A copy of a destination of Vapi's: a number, or a SIP address."""
    if not isinstance(given, Mapping):
        return None
    copied = dict(given)
    kind = copied.get("type")
    known = FIELDS.get(kind) if type(kind) is str else None
    if known is None or not copied.keys() <= {"type", *known}:
        return None
    if not all(type(value) is str for value in copied.values()):
        return None
    texts = ((copied.get(name, ""), most) for name, most in TEXTS.items())
    if not all(text.isprintable() and len(text) <= most for text, most in texts):
        return None
    place = E164.fullmatch(copied.get("number", "")) or SIP.fullmatch(copied.get("sipUri", ""))
    return copied if place else None


def answer_of(divert_to: str | Mapping[str, Any]) -> dict[str, Any]:
    """The answer to an `assistant-request` that diverts the call."""
    if isinstance(divert_to, str):
        return {"destination": {"type": "number", "number": divert_to}}
    return dict(divert_to)
