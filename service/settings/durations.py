"""Durations in settings: `72h`, `3d`, `90m`, `45s`, or a number of seconds. Pure."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
PATTERN = re.compile(r"([0-9]{1,9})\s?([smhd]?)", re.ASCII | re.IGNORECASE)
MOST = timedelta(days=366)
MOST_KEPT = timedelta(days=3660)


def parse_duration(value: object) -> timedelta:
    """Parse a duration of at most a year. Raises `ValueError`."""
    return parse_up_to(value, MOST)


def parse_keeping(value: object) -> timedelta:
    """Parse how long something is kept, at most ten years. Raises `ValueError`."""
    return parse_up_to(value, MOST_KEPT)


def parse_up_to(value: object, most: timedelta) -> timedelta:
    """Parse a duration of at most `most`. Raises `ValueError`."""
    if isinstance(value, timedelta):
        return value
    seconds = find_seconds(str(value))
    if seconds is None:
        raise ValueError(f"{value!r} is not a duration such as 72h, 3d, 90m or a number of seconds")
    duration = timedelta(seconds=seconds)
    if duration > most:
        raise ValueError(f"{value!r} is longer than {most.days} days")
    return duration


def find_seconds(text: str) -> int | None:
    """The seconds of a duration in whole units; None if it is none."""
    found = PATTERN.fullmatch(text.strip())
    return None if found is None else int(found[1]) * UNITS[found[2].lower()]


def read_seconds(value: object) -> object:
    """A duration with a unit in seconds; anything else stays, for the field to check."""
    seconds = find_seconds(value) if isinstance(value, str) else None
    return value if seconds is None else seconds


def format_duration(duration: timedelta) -> str:
    """The duration in the largest unit that fits, as `parse_duration` reads it."""
    seconds = int(duration.total_seconds())
    unit = next((name for name in "hm" if seconds and seconds % UNITS[name] == 0), "s")
    return f"{seconds // UNITS[unit]}{unit}"


Duration = Annotated[timedelta, PlainValidator(parse_duration)]
InSeconds = BeforeValidator(read_seconds)
"""Of a field that is a number of seconds: it takes durations with a unit as well."""
Keeping = Annotated[timedelta, PlainValidator(parse_keeping)]
