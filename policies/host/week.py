"""Reads hours as people write them: days of the week, dates, and intervals of a day. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

MIDNIGHT = 24 * 60
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INTERVAL = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})", re.ASCII)
YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)
MOST_INTERVALS = 24
HOURS = 'write the hours by day, such as {"monday-friday": ["09:00-17:30"]}'
MOST_DATES = 2000


class YearlyDate(NamedTuple):
    """A date of every year."""

    month: int
    day: int


def parse_weekly(given: object) -> Mapping[int, tuple[tuple[int, int], ...]]:
    """Intervals by day of the week, Monday is 0. Raises `ValueError`."""
    if not isinstance(given, Mapping):
        raise ValueError(HOURS)  # noqa: TRY004 - pydantic reports a `ValueError` as that of a field
    found: dict[int, list[tuple[int, int]]] = {}
    for name, intervals in given.items():
        for day in parse_days(name):
            found.setdefault(day, []).extend(parse_intervals(intervals))
            if len(found[day]) > MOST_INTERVALS:
                raise ValueError(
                    f"{DAYS[day]} has {len(found[day])} intervals: write up to {MOST_INTERVALS}"
                )
    return {day: tuple(sorted(intervals)) for day, intervals in found.items()}


def parse_days(name: object) -> Iterable[int]:
    """The days that `monday` or `friday-sunday` names. Raises `ValueError`."""
    parts = [part.strip().lower() for part in str(name).split("-")]
    if len(parts) > 2 or any(part not in DAYS for part in parts):
        raise ValueError(f"{str(name)[:40]!r} is no day: write monday … sunday, or monday-friday")
    first, last = DAYS.index(parts[0]), DAYS.index(parts[-1])
    return [(first + ahead) % 7 for ahead in range((last - first) % 7 + 1)]


def parse_intervals(given: object) -> tuple[tuple[int, int], ...]:
    """Intervals of a day in minutes. Raises `ValueError`."""
    if not isinstance(given, list | tuple) or len(given) > MOST_INTERVALS:
        raise ValueError(f'write a list of up to {MOST_INTERVALS} intervals: ["09:00-17:30"]')
    return tuple(sorted(parse_interval(one) for one in given))


def parse_interval(given: object) -> tuple[int, int]:
    """An interval in minutes of the day. Raises `ValueError`."""
    match = INTERVAL.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        raise ValueError(f"{str(given)[:40]!r} is no interval: write it such as 09:00-17:30")
    begin, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
    minutes = (int(match[2]), int(match[4]))
    if begin >= MIDNIGHT or end > MIDNIGHT or max(minutes) > 59 or begin == end:
        raise ValueError(f"{given!r} is no interval: times lie between 00:00 and 24:00 and differ")
    return begin, end


def parse_dates(given: object) -> frozenset[date | YearlyDate]:
    """Dates such as 2026-12-25, and 12-25 for every year. Raises `ValueError`."""
    if not isinstance(given, list | tuple | set | frozenset) or len(given) > MOST_DATES:
        raise ValueError(f"write a list of up to {MOST_DATES} dates")
    return frozenset(map(parse_date, given))


def parse_date(given: object) -> date | YearlyDate:
    """A date, or one of every year. Raises `ValueError`."""
    if isinstance(given, str) and (match := YEARLY.fullmatch(given.strip())):
        month, day = int(match[1]), int(match[2])
        date(2024, month, day)  # a leap year: raises for a date that no year has
        return YearlyDate(month, day)
    return parse_whole_date(given)


def parse_whole_date(given: object) -> date:
    """A date with its year. Raises `ValueError`."""
    if type(given) is date:
        return given
    try:
        return date.fromisoformat(str(given).strip())
    except ValueError:
        raise ValueError(f"{str(given)[:40]!r} is no date: write it such as 2026-12-25") from None


def parse_exceptions(given: object) -> Mapping[date, tuple[tuple[int, int], ...]]:
    """Intervals by date. Raises `ValueError`."""
    if not isinstance(given, Mapping) or len(given) > MOST_DATES:
        raise ValueError('write intervals by date, such as {"2026-12-24": ["09:00-12:00"]}')
    return {parse_whole_date(day): parse_intervals(one) for day, one in given.items()}
