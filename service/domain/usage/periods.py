"""Periods of time: days and months of a time zone, the month of a plan, and the pieces to sum. Pure.

A period goes from `since` to before `until`, both aware.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from policies.contract import SubscriptionPlan

Interval = Literal["day", "month"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Period(NamedTuple):
    """From `since` to before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Pieces:
    """A period in parts that are summed by whole days, by whole hours (in UTC), and by single calls.

    `whole` is what days and hours cover together; None where no whole hour lies in the period.
    """

    days: tuple[Period, ...]
    hours: tuple[Period, ...]
    calls: tuple[Period, ...]
    whole: Period | None


def floor(instant: datetime, step: timedelta) -> datetime:
    """The beginning of the hour or day (in UTC) that an instant lies in."""
    at = instant.astimezone(UTC)
    at = at.replace(minute=0, second=0, microsecond=0)
    return at if step == HOUR else at.replace(hour=0)


def ceil(instant: datetime, step: timedelta) -> datetime:
    """The instant, if an hour or a day begins with it; else the beginning of the next one."""
    at = floor(instant, step)
    return at if at == instant else at + step


def split(period: Period) -> Pieces:
    """Split a period into pieces that cover it exactly, the coarse ones as long as possible."""
    first, last = ceil(period.since, HOUR), floor(period.until, HOUR)
    if first >= last:
        return Pieces((), (), present(period), None)
    edges = (*present(Period(period.since, first)), *present(Period(last, period.until)))
    begin, end = ceil(first, DAY), floor(last, DAY)
    if begin >= end:
        return Pieces((), (Period(first, last),), edges, Period(first, last))
    hours = (*present(Period(first, begin)), *present(Period(end, last)))
    return Pieces((Period(begin, end),), hours, edges, Period(first, last))


def present(*periods: Period) -> tuple[Period, ...]:
    return tuple(one for one in periods if one.since < one.until)


def day_of(at: datetime, zone: ZoneInfo) -> Period:
    """The day of a time zone that an instant lies in."""
    local = at.astimezone(zone)
    return Period(begin(local, zone), begin(local + DAY, zone))


def month_of(at: datetime, zone: ZoneInfo) -> Period:
    """The calendar month of a time zone that an instant lies in."""
    local = at.astimezone(zone).replace(day=1)
    following = (local + timedelta(days=31)).replace(day=1)
    return Period(begin(local, zone), begin(following, zone))


def begin(local: datetime, zone: ZoneInfo) -> datetime:
    """When the day of a local time begins, in UTC; where midnight is skipped, when the day does."""
    return datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC)


def intervals(period: Period, interval: Interval, zone: ZoneInfo) -> Iterator[Period]:
    """The days or months of a period, in order; the first and the last may be cut off by it."""
    since = period.since
    while since < period.until:
        whole = day_of(since, zone) if interval == "day" else month_of(since, zone)
        yield Period(since, min(whole.until, period.until))
        since = whole.until


def months_before(at: datetime, months: int) -> datetime:
    """The same day and time in UTC some months earlier; in a shorter month its last day."""
    at = at.astimezone(UTC)
    years, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    day = min(at.day, monthrange(years, month + 1)[1])
    return at.replace(year=years, month=month + 1, day=day)


def billing_period(plan: SubscriptionPlan | None, at: datetime, zone: ZoneInfo) -> Period:
    """The period whose usage counts against a plan at an instant.

    The month that ends with the plan's `current_period_end`; of a longer period the month of it that
    `at` lies in. The calendar month of the time zone where the end is unknown or over.
    """
    end = None if plan is None else plan.current_period_end
    if end is None or end <= at:
        return month_of(at, zone)
    months = max((end.year - at.year) * 12 + end.month - at.month - 1, 0)
    while months_before(end, months + 1) > at:
        months += 1
    return Period(months_before(end, months + 1), months_before(end, months))
