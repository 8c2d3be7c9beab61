"""Periods of time: days and months of a time zone, the month of a plan, and the pieces to sum. Pure.

A period goes from `since` to before `until`, both aware.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.entitlements import SubscriptionPlan

Interval = Literal["day", "month"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_INTERVALS = 1000


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


def zone_of(name: str | None) -> ZoneInfo:
    """The time zone with a name that was checked; UTC without one, or if this machine lacks it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def present(*periods: Period) -> tuple[Period, ...]:
    return tuple(one for one in periods if one.since < one.until)


def day_of(at: datetime, zone: ZoneInfo) -> Period:
    """The day of a time zone that an instant lies in."""
    local = at.astimezone(zone)
    return Period(begin(local, zone), begin(local + DAY, zone))


def month_of(at: datetime, zone: ZoneInfo, months: int = 0) -> Period:
    """The calendar month of a time zone that an instant lies in, or one some months after it."""
    local = at.astimezone(zone).replace(day=1)
    years, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    local = local.replace(year=years, month=month + 1)
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
    `at` lies in. A plan that renews goes on in such months after its end: renewals are reported late,
    and what was used before the end was paid for. The calendar month of the time zone where the end is
    unknown, or over without a renewal.
    """
    end = None if plan is None else plan.current_period_end
    if plan is None or end is None or (end <= at and not plan.renews):
        return month_of(at, zone)
    end, at = end.astimezone(UTC), at.astimezone(UTC)
    # Below 0 after the end.
    months = (end.year - at.year) * 12 + end.month - at.month - 1
    while months_before(end, months + 1) > at:
        months += 1
    return Period(months_before(end, months + 1), months_before(end, months))


def choose_period(
    since: datetime | None, until: datetime | None, now: datetime, zone: ZoneInfo
) -> Period:
    """The period that a question means.

    Without both ends it is this month. A missing end is that of this month, or of the month of `since`
    if that has yet to come; a missing beginning is that of the month that `until` ends in.
    """
    if since is None:
        moment = now if until is None else until - timedelta(microseconds=1)
        since = month_of(moment, zone).since
    if until is None:
        until = month_of(max(now, since), zone).until
    return Period(since, until)


def check_period(period: Period) -> None:
    """Raise `BadUsagePeriodError` for a period that ends before it begins, or as it does."""
    if period.until <= period.since:
        raise BadUsagePeriodError("to", "must be later than `from`")


def list_intervals(period: Period, interval: Interval, zone: ZoneInfo) -> list[Period]:
    """The intervals of a period. Raises `BadUsagePeriodError` if there are none, or too many."""
    check_period(period)
    found = list(islice(intervals(period, interval, zone), MOST_INTERVALS + 1))
    if len(found) > MOST_INTERVALS:
        raise BadUsagePeriodError(
            "to",
            f"must be at most {MOST_INTERVALS} intervals after `from`: ask for a shorter period, or "
            "for months",
        )
    return found


class BadUsagePeriodError(ValueError):
    """A period that cannot be summed up: the parameter that is wrong, and what it must be."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter} {message}")
        self.parameter, self.message = parameter, message
