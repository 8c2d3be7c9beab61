"""Periods: pieces cover a period exactly, and days, months and billing periods follow the calendar."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.entitlements import SubscriptionPlan
from service.domain.usage.periods import (
    DAY,
    HOUR,
    Interval,
    Period,
    billing_period,
    floor,
    intervals,
    month_of,
    split,
)

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Asia/Beirut",
        "America/Havana",
        "Australia/Lord_Howe",
    )
]
FIRST, LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2998, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), LAST - FIRST).map(lambda since: FIRST + since)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=5)))
def test_pieces_cover_a_period_once_and_without_gaps(since: datetime, length: timedelta) -> None:
    period = Period(since, since + length)
    pieces = split(period)
    found = sorted((*pieces.days, *pieces.hours, *pieces.calls))
    if length:
        assert (found[0].since, found[-1].until) == period
    assert all(one.until == two.since for one, two in pairwise(found))
    assert all(floor(edge, DAY) == edge for piece in pieces.days for edge in piece)
    assert all(floor(edge, HOUR) == edge for piece in pieces.hours for edge in piece)
    assert all(piece.until - piece.since < 2 * HOUR for piece in pieces.calls)
    covered = sorted((*pieces.days, *pieces.hours))
    whole = Period(covered[0].since, covered[-1].until) if covered else None
    assert pieces.whole == whole


@given(
    INSTANTS,
    st.timedeltas(timedelta(0), timedelta(days=90)),
    st.sampled_from(ZONES),
    st.sampled_from(["day", "month"]),
)
def test_intervals_follow_each_other_through_the_period(
    since: datetime, length: timedelta, zone: ZoneInfo, interval: Interval
) -> None:
    period = Period(since, since + length)
    found = list(intervals(period, interval, zone))
    assert all(one.since < one.until for one in found)
    assert all(one.until == two.since for one, two in pairwise(found))
    if length:
        assert (found[0].since, found[-1].until) == period
    dates = [one.since.astimezone(zone).date() for one in found]
    assert dates == sorted(set(dates)), "each begins on a day of its own"


def test_a_day_may_have_23_or_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    march, october = (month_of(at(f"2026-{month}-15T00:00Z"), berlin) for month in ("03", "10"))
    lengths = {one.until - one.since for one in intervals(march, "day", berlin)}
    assert lengths == {23 * HOUR, 24 * HOUR}
    lengths = {one.until - one.since for one in intervals(october, "day", berlin)}
    assert lengths == {25 * HOUR, 24 * HOUR}


@pytest.mark.parametrize(
    ("end", "now", "since", "until"),
    [
        ("2026-04-10T08:30Z", "2026-03-20T00:00Z", "2026-03-10T08:30Z", "2026-04-10T08:30Z"),
        # The last days of a short month.
        ("2026-03-31T00:00Z", "2026-03-01T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        # A year that is paid: the month of it.
        ("2027-01-31T00:00Z", "2026-03-15T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        ("2027-01-31T00:00Z", "2026-02-28T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        # The renewal is reported late: what was used before the end was paid for.
        ("2026-03-15T00:00Z", "2026-03-15T00:00Z", "2026-03-15T00:00Z", "2026-04-15T00:00Z"),
        ("2026-03-15T00:00Z", "2026-04-16T00:00Z", "2026-04-15T00:00Z", "2026-05-15T00:00Z"),
        # No end: the month of the calendar.
        (None, "2026-03-15T00:00Z", "2026-02-28T23:00Z", "2026-03-31T22:00Z"),
    ],
)
def test_the_billing_period_is_the_plans_month(
    end: str | None, now: str, since: str, until: str
) -> None:
    plan = SubscriptionPlan("pro", "active", at(end) if end else None)
    found = billing_period(plan, at(now), ZoneInfo("Europe/Berlin"))
    assert found == (at(since), at(until))


@pytest.mark.parametrize(
    "plan",
    [
        SubscriptionPlan("pro", "canceled", at("2026-03-15T00:00Z")),
        SubscriptionPlan("pro", "active", at("2026-03-15T00:00Z"), cancel_at_period_end=True),
    ],
)
def test_a_period_that_is_over_for_good_is_the_calendars(plan: SubscriptionPlan) -> None:
    found = billing_period(plan, at("2026-03-15T00:00Z"), ZoneInfo("Europe/Berlin"))
    assert found == (at("2026-02-28T23:00Z"), at("2026-03-31T22:00Z"))


@given(INSTANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=3000)))
def test_the_present_lies_in_the_billing_period(now: datetime, ahead: timedelta) -> None:
    end = min(now + ahead, datetime(2999, 12, 31, tzinfo=UTC))
    found = billing_period(SubscriptionPlan("pro", "active", end), now, ZoneInfo("UTC"))
    assert found.since <= now < found.until <= end
    assert timedelta(days=27) < found.until - found.since < timedelta(days=32)
