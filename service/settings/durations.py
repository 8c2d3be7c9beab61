"""Durations in settings: `72h`, `3d`, `90m`, `45s`, or a number of seconds. Pure."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import PlainValidator

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
    found = PATTERN.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{value!r} is not a duration such as 72h, 3d, 90m or a number of seconds")
    duration = timedelta(seconds=int(found[1]) * UNITS[found[2].lower()])
    if duration > most:
        raise ValueError(f"{value!r} is longer than {most.days} days")
    return duration


def format_duration(duration: timedelta) -> str:
    """The duration in the largest unit that fits, as `parse_duration` reads it."""
    seconds = int(duration.total_seconds())
    unit = next((name for name in "hm" if seconds and seconds % UNITS[name] == 0), "s")
    return f"{seconds // UNITS[unit]}{unit}"


Duration = Annotated[timedelta, PlainValidator(parse_duration)]
Keeping = Annotated[timedelta, PlainValidator(parse_keeping)]
