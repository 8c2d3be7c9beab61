"""The instants that the service accepts: from 1970 to 2999, with an offset. Pure."""

import re
from datetime import UTC, datetime

from policies.host.marks import without_marks
from service.domain.texts import is_all

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d)?", re.ASCII)
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

UNIX_TIME = re.compile(r"[1-9](\d{8,9}|\d{12})(\.\d{1,9})?", re.ASCII)
UNIX_DIGITS = 10


def parse_instant(value: object) -> datetime:
    """Parse an RFC 3339 instant of 1970–2999 with a time zone, into UTC. Raises `ValueError`."""
    if not isinstance(value, str) or not is_all(RFC_3339, value):
        raise ValueError(f"must be an RFC 3339 instant with a time zone, {suggest_instant(value)}")
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except ValueError:
        raise ValueError("is not a valid date") from None
    except OverflowError:
        raise ValueError("must lie in the years 1970 to 2999") from None
    if not is_within(instant):
        raise ValueError("must lie in the years 1970 to 2999")
    return instant


def parse_written_instant(text: str) -> datetime:
    """Parse an instant as people write it: a date is its beginning, a time without an offset is in UTC,
    a space may stand for the T. Raises `ValueError`."""
    plain = without_marks(text)
    if is_all(DATE, plain):
        return parse_instant(f"{plain}T00:00:00Z")
    joined = f"{plain[:10]}T{plain[11:]}" if plain[10:11] == " " else plain
    if is_all(LOCAL, joined):
        joined += "Z" if joined.count(":") == 2 else ":00Z"
    return parse_instant(joined)


def suggest_instant(value: object) -> str:
    """What to send: the same instant for a Unix time, as billing systems have it; else an example."""
    text = str(value) if isinstance(value, int | float | str) else ""
    if is_all(UNIX_TIME, text):
        # Of 13 digits: JavaScript's milliseconds.
        whole, _, _ = text.partition(".")
        seconds = int(whole) // 1000 if len(whole) > UNIX_DIGITS else int(whole)
        instant = datetime.fromtimestamp(seconds, UTC)
        return f"such as {instant:%Y-%m-%dT%H:%M:%SZ} for the Unix time {text}"
    return "such as 2030-01-31T12:00:00Z"


def is_within(instant: datetime) -> bool:
    """Whether an aware instant lies in 1970–2999."""
    return FIRST <= instant <= LAST


def within(instant: datetime) -> datetime:
    """A stored instant, moved to the nearest accepted one.

    asyncpg reads PostgreSQL's `-infinity` as a naive instant, which cannot be compared.
    """
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return min(max(aware, FIRST), LAST)


def find_within(instant: datetime | None) -> datetime | None:
    """The same for an instant that may be absent."""
    return None if instant is None else within(instant)
