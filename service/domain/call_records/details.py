"""What is known of a call beside its decision and its end: who called whom, and what is doubted. Pure.

Details come with messages and with Vapi's own records, in any order, repeatedly. They merge by one rule
that gives the same in every order: a fact that is known stays, of two the smaller text; whatever was
doubted once stays doubted.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from policies.host.marks import BadTextError
from policies.host.phone_numbers import is_e164, parse_phone_number

Direction = Literal["inbound", "outbound", "web"]
Doubt = Literal["cost", "cost_parts", "duration", "ended_at", "started_at"]
"""What was not believed: a value that is impossible, or that contradicts another one of the call."""

CostParts = Mapping[str, float]
"""What a cost is made of, in US dollars: `transport`, `stt`, `llm`, `tts`, `vapi`, `analysis`, …"""

DIRECTIONS: Mapping[str, Direction] = {
    "inboundPhoneCall": "inbound",
    "outboundPhoneCall": "outbound",
    "webCall": "web",
}
HIDDEN = "•"
SHOWN_BEFORE, SHOWN_AFTER = 3, 4
"""Characters of a masked number that stay: about the country, and what a caller is searched by."""
LEAST_HIDDEN = 4
"""Characters that a mask hides: a shorter number hides wholly."""
SIP_ADDRESS = re.compile(
    r"(?:sips?:)?([^\s@:;<>\"\\]+)@([^\s@:;<>\"\\]+)(?:[:;][^\s@<>\"\\]*)?", re.IGNORECASE
)
"""Its user and its host; no sign of it needs an escape in JSON."""
WITHHELD = frozenset(
    {
        *("anonymous", "blocked", "private", "restricted", "unavailable", "unknown", "withheld"),
        # The same words on a keypad: carriers put them in the place of a number.
        *("266696687", "2562533", "7378742833", "86282452253", "8656696"),
    }
)
"""Stand for all callers who do not show their number, of all organizations."""


@dataclass(frozen=True, slots=True)
class CallDetails:
    """`customer_number` is the caller's, or the called one's if we called; an empty one was forgotten
    and stays so. `line_number` is the
    number of the agency. `connected`: whether two sides were connected, by what arrived; None: not
    known. `doubts` are sorted."""

    customer_number: str | None = None
    line_number: str | None = None
    assistant_id: str | None = None
    connected: bool | None = False
    doubts: tuple[str, ...] = ()


def canonical_number(text: str | None) -> str | None:
    """A number in E.164; other texts (`anonymous`, a SIP address) as they are."""
    if text is None:
        return None
    try:
        return parse_phone_number(text)
    except BadTextError:
        return text


def is_telling(number: str) -> bool:
    """Whether it names one caller: a number in E.164 or a SIP address, but none that stands for all who
    withhold theirs."""
    address = SIP_ADDRESS.fullmatch(number)
    if address is not None:
        user, host = address.group(1, 2)
        host_names_one = not f".{host}".lower().endswith(".invalid")
        return host_names_one and user.lower().removeprefix("+") not in WITHHELD
    return is_e164(number) and number.removeprefix("+") not in WITHHELD


def merge_details(one: CallDetails, other: CallDetails) -> CallDetails:
    """The details of a call that two records tell of, in either order."""
    return CallDetails(
        least_text(one.customer_number, other.customer_number),
        least_text(one.line_number, other.line_number),
        least_text(one.assistant_id, other.assistant_id),
        merge_connected(one.connected, other.connected),
        merge_doubts(one.doubts, other.doubts),
    )


def merge_connected(one: bool | None, other: bool | None) -> bool | None:
    """As `OR` in SQL: what is not known stays so unless the other one is true."""
    if one or other:
        return True
    return None if None in (one, other) else False


def merge_doubts(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """The union, sorted."""
    return tuple(sorted({*one, *other}))


def least_text(one: str | None, other: str | None) -> str | None:
    """As `least` in SQL with the collation "C"."""
    known = [text for text in (one, other) if text is not None]
    return min(known, default=None)


def direction_of(call_type: str | None) -> Direction | None:
    """Who called, by Vapi's type of a call."""
    return DIRECTIONS.get(call_type or "")


def masked_details(details: CallDetails) -> CallDetails:
    """The details without the middle of the customer's number."""
    return replace(details, customer_number=mask_number(details.customer_number))


def mask_number(number: str | None) -> str | None:
    """A number as people see it who may not know it; short numbers and addresses hide wholly."""
    if not number:
        return number
    hidden = len(number) - SHOWN_BEFORE - SHOWN_AFTER
    if hidden < LEAST_HIDDEN or not number.removeprefix("+").isdigit():
        return HIDDEN * 3
    return number[:SHOWN_BEFORE] + HIDDEN * hidden + number[-SHOWN_AFTER:]
