"""Durations in settings: `72h`, `3d`, `90m`, `45s`, or a number of seconds. Pure."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import PlainValidator

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
PATTERN = re.compile(r"([0-9]{1,9})\s?([smhd]?)", re.ASCII | re.IGNORECASE)
MOST = timedelta(days=366)


def parse_duration(value: object) -> timedelta:
    """Parse a duration of at most a year. Raises `ValueError`."""
    if isinstance(value, timedelta):
        return value
    found = PATTERN.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{value!r} is not a duration such as 72h, 3d, 90m or a number of seconds")
    duration = timedelta(seconds=int(found[1]) * UNITS[found[2].lower()])
    if duration > MOST:
        raise ValueError(f"{value!r} is longer than 366 days")
    return duration


def format_duration(duration: timedelta) -> str:
    """The duration in the largest unit that fits, as `parse_duration` reads it."""
    seconds = int(duration.total_seconds())
    unit = next((name for name in "hm" if seconds and seconds % UNITS[name] == 0), "s")
    return f"{seconds // UNITS[unit]}{unit}"


Duration = Annotated[timedelta, PlainValidator(parse_duration)]
