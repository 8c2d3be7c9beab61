"""Opening hours: what the clock on the wall shows decides, and `until` is the next change."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import CallFacts, Effect, Verdict
from policies.opening_hours import OpeningHoursPolicy, OpeningHoursSettings, find_span
from policies.testing import PolicyTestError, conformance, evaluate, request

OFFICE = {"weekly": {"monday-friday": ["09:00-12:00", "13:00-17:30"]}, "time_zone": "Europe/Berlin"}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOURLY = [f"{hour:02}:00-{hour:02}:30" for hour in range(24)]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def answer(when: datetime, hours: dict[str, Any] = OFFICE, **facts: Any) -> Verdict:
    return evaluate(OpeningHoursPolicy(), request(at=when, **facts), settings=hours)


def test_conforms() -> None:
    conformance(OpeningHoursPolicy(), settings=OFFICE)


@pytest.mark.parametrize(
    ("when", "is_open", "until"),
    [
        ("2026-01-15T08:59", False, "2026-01-15T09:00"),
        ("2026-01-15T09:00", True, "2026-01-15T12:00"),
        ("2026-01-15T12:30", False, "2026-01-15T13:00"),
        ("2026-01-16T17:30", False, "2026-01-19T09:00"),
        ("2026-03-27T18:00", False, "2026-03-30T09:00"),  # clocks are set forward in between
    ],
)
def test_an_office_week(when: str, is_open: bool, until: str) -> None:
    verdict = answer(at(when))
    assert (verdict.effect is Effect.ABSTAIN) == is_open
    assert verdict.reason == (None if is_open else "outside_opening_hours")
    assert verdict.until == at(until)


def test_a_night_belongs_to_the_day_that_it_begins_on() -> None:
    bar = {"weekly": {"friday": ["22:00-02:00"]}, "time_zone": "Europe/Berlin"}
    assert answer(at("2026-01-16T23:00"), bar).until == at("2026-01-17T02:00")
    assert answer(at("2026-01-17T01:59"), bar).effect is Effect.ABSTAIN
    assert answer(at("2026-01-17T02:00"), bar).effect is Effect.DENY
    assert answer(at("2026-01-16T01:00"), bar).effect is Effect.DENY


def test_holidays_and_exceptions() -> None:
    hours = {
        **OFFICE,
        "holidays": ["12-25", "2026-01-15"],
        "exceptions": {"2026-12-25": ["10:00-12:00"], "2026-01-20": []},
    }
    assert answer(at("2026-01-15T10:00"), hours).reason == "holiday"
    assert answer(at("2025-12-25T10:00"), hours).reason == "holiday"
    assert answer(at("2026-12-25T10:00"), hours).effect is Effect.ABSTAIN
    assert answer(at("2026-12-25T12:00"), hours).reason == "outside_opening_hours"
    assert answer(at("2026-01-20T10:00"), hours).until == at("2026-01-21T09:00")


def test_the_zone_of_the_organization_counts_where_the_hours_have_none() -> None:
    hours = {"weekly": {"monday-sunday": ["09:00-17:00"]}}
    asked = request(at=at("2026-01-15T09:30", "America/New_York"))
    local = asked.organization
    object.__setattr__(local, "time_zone", "America/New_York")
    assert evaluate(OpeningHoursPolicy(), asked, settings=hours).effect is Effect.ABSTAIN
    assert answer(asked.at, hours).effect is Effect.ABSTAIN  # 14:30 in UTC
    assert answer(at("2026-01-15T17:30", "UTC"), hours).effect is Effect.DENY


def test_hours_without_an_end_have_no_until() -> None:
    always = {"weekly": {"monday-sunday": ["00:00-24:00"]}}
    never: dict[str, Any] = {"weekly": {}}
    assert answer(at("2026-01-15T09:30"), always) == Verdict(Effect.ABSTAIN)
    assert answer(at("2026-01-15T09:30"), never).until is None


@pytest.mark.parametrize("ahead", [31, 32, 33, 34, 35, 36, 37, 60, 400])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_change_beyond_the_horizon_is_found_on_the_way(ahead: int, zone: str) -> None:
    when = at("2026-01-15T23:30", zone)
    opens = at("2026-01-15T09:00", zone) + ahead * DAY
    day = str(opens.astimezone(ZoneInfo(zone)).date())
    hours = {"weekly": {}, "exceptions": {day: ["09:00-12:00"]}, "time_zone": zone}
    looks = 0
    while when < opens:
        until = answer(when, hours).until
        assert until is not None
        assert when < until <= opens
        when, looks = until, looks + 1
    assert looks <= ahead // 35 + 1
    assert answer(when, hours).effect is Effect.ABSTAIN


def test_hours_that_never_change_take_little_time() -> None:
    """The search runs on the event loop; the best of several, as a busy machine may stop any."""
    always = [f"{hour:02}:00-{hour + 1:02}:00" for hour in range(24)]
    fitted = OpeningHoursSettings.model_validate({"weekly": {"monday-sunday": always}})
    took = []
    for _ in range(5):
        began = time.perf_counter()
        find_span(fitted, at("2026-01-15T09:30"), ZoneInfo("Europe/Berlin"))
        took.append(time.perf_counter() - began)
    assert min(took) < 0.015


def test_only_the_chosen_directions_are_asked_about() -> None:
    hours = {**OFFICE, "directions": ["inbound"]}
    night = at("2026-01-15T03:00")
    outbound = CallFacts("call", "outboundPhoneCall", direction="outbound")
    assert answer(night, hours, call=outbound).effect is Effect.ABSTAIN
    assert answer(night, hours, call=CallFacts("call", direction="inbound")).effect is Effect.DENY
    assert answer(night, hours).effect is Effect.DENY
    outgoing = {**OFFICE, "directions": ["outbound"]}
    assert answer(night, outgoing, purpose="ring_gate").effect is Effect.ABSTAIN


def test_a_denial_says_what_it_should() -> None:
    hours = {**OFFICE, "message": "{organization} is closed.", "divert_to": "+15550100200"}
    verdict = answer(at("2026-01-15T03:00"), hours)
    assert verdict.message == "{organization} is closed."
    assert verdict.divert_to == "+15550100200"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weekly": {"funday": ["09:00-17:00"]}}, "funday"),
        ({"weekly": {"monday": ["9-17"]}}, "no interval"),
        ({"weekly": {"monday": ["09:00-25:00"]}}, "no interval"),
        ({"weekly": {"monday": ["09:60-17:00"]}}, "no interval"),
        ({"weekly": {"monday": ["09:00-09:00"]}}, "no interval"),
        ({"weekly": {"monday": HOURLY, "monday-tuesday": ["12:15-12:30"]}}, "25 intervals"),
        ({"weekly": ["09:00-17:00"]}, "by day"),
        ({"weekly": {"monday": "09:00-17:00"}}, "list"),
        ({"holidays": ["25.12.2026"]}, "no date"),
        ({"holidays": ["02-30"]}, "holidays"),
        ({"exceptions": {"12-24": []}}, "no date"),
        ({"time_zone": "Mars/Olympus"}, "time zone"),
        ({"message": "{who}?"}, "message"),
        ({"divert_to": "the desk"}, "phone number"),
        ({"hours": {}}, "hours"),
    ],
)
def test_settings_that_do_not_fit_say_what_to_write(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyTestError, match=words):
        answer(at("2026-01-15T03:00"), {**OFFICE, **changes})


times = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
intervals = st.lists(
    st.tuples(times, times).filter(lambda one: one[0] != one[1]).map("-".join), max_size=2
)
zones = st.sampled_from(
    [
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Cairo",
        "Asia/Kathmandu",
        "UTC",
    ]
)
moments = st.one_of(
    *(
        st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last))
        for first, last in (
            ("2011-12-27", "2012-01-02"),  # Samoa skipped a day
            ("2018-10-30", "2018-11-08"),  # clocks change in the Americas
            ("2026-03-24", "2026-04-08"),
            ("2026-10-20", "2026-11-03"),
            ("2026-01-01", "2027-01-01"),
        )
    )
)


def shown_open(hours: OpeningHoursSettings, when: datetime, zone: ZoneInfo) -> bool:
    """The plain rule, minute by minute of the day: what is open is coloured on a calendar."""
    wall = when.astimezone(zone).replace(tzinfo=None)
    for day in (wall.date(), wall.date() - DAY):
        midnight = datetime.combine(day, datetime.min.time())
        for begin, end in hours.hours_of(day):
            length = (end - begin) % (24 * 60) or 24 * 60
            opens = midnight + begin * MINUTE
            if opens <= wall < opens + length * MINUTE:
                return True
    return False


@settings(max_examples=150, deadline=None)
@given(
    weekly=st.dictionaries(st.sampled_from(DAYS), intervals, max_size=5),
    holidays=st.lists(st.dates(date(2026, 3, 20), date(2026, 4, 10)).map(str), max_size=3),
    exceptions=st.dictionaries(
        st.dates(date(2026, 10, 20), date(2026, 11, 5)).map(str), intervals, max_size=2
    ),
    zone=zones,
    moment=moments,
)
def test_the_next_change_is_that_of_a_clock_that_is_watched(
    weekly: dict[str, list[str]],
    holidays: list[str],
    exceptions: dict[str, list[str]],
    zone: str,
    moment: datetime,
) -> None:
    hours = OpeningHoursSettings.model_validate(
        {"weekly": weekly, "holidays": holidays, "exceptions": exceptions}
    )
    clock, now = ZoneInfo(zone), moment.replace(tzinfo=UTC)
    span = find_span(hours, now, clock)
    assert span.is_open == shown_open(hours, now, clock)
    watched = now.replace(second=0, microsecond=0) + MINUTE
    end = min(span.until, watched + timedelta(days=9)) if span.ends else watched + timedelta(days=9)
    while watched < end:
        assert shown_open(hours, watched, clock) == span.is_open, watched
        watched += 5 * MINUTE - timedelta(minutes=watched.minute % 5)
    if span.ends:
        assert shown_open(hours, span.until, clock) != span.is_open
        assert (
            shown_open(hours, span.until - MINUTE, clock) == span.is_open
            or span.until - MINUTE < now
        )
