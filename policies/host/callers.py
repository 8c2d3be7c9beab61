"""Who calls, as networks write it: one form of each number, none for callers that hide theirs. Pure."""

import re

GROUPING = re.compile(r"[ ().\-/]")
E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
PORT = re.compile(r":[0-9]{1,5}$", re.ASCII)
HIDDEN = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""What carriers send for callers that hide their number: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and
UNAVAILABLE on a telephone's keys."""


HIDDEN_USERS = ("", "anonymous", "restricted", "unavailable", "unknown")


def without_scheme(address: str) -> str:
    """A SIP address without `sip:` or `sips:`, or a number without `tel:` and what follows it."""
    if address.startswith("tel:"):
        return address.removeprefix("tel:").partition(";")[0]
    return address.removeprefix("sip:").removeprefix("sips:")


def canonical_address(address: str) -> str:
    """A SIP address as user and host: parameters, headers and ports say how it is reached, not who it
    is, and the caller may write any."""
    user, _, host = address.partition("@")
    host = re.split("[;?>]", host, maxsplit=1)[0]
    return f"{re.split('[;:]', user, maxsplit=1)[0]}@{PORT.sub('', host)}"


def canonical_caller(text: str | None) -> str | None:
    """The caller's number in E.164, or its SIP address; None for an anonymous caller."""
    if text is None:
        return None
    caller = without_scheme(text.strip().lower())
    if "@" in caller:
        address = canonical_address(caller)
        return None if address.partition("@")[0] in HIDDEN_USERS else address
    number = GROUPING.sub("", caller)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    return number if E164.fullmatch(number) and number not in HIDDEN else None


def number_within(caller: str) -> str | None:
    """The number that a caller's SIP address claims; None: it claims none, or is no address."""
    user, at, _ = caller.partition("@")
    return canonical_caller(user.partition(";")[0]) if at else None
