"""Instants of 1970–2999 with an offset are taken; all others are refused in a sentence."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instants import FIRST, LAST, parse_instant, parse_written_instant, within


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "1969-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-05:00",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "infinity",
        "-infinity",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_what_is_no_accepted_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not"):
        parse_instant(text)


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-01", "2026-12-01T00:00:00Z"),
        (" 2026-12-01\u200b", "2026-12-01T00:00:00Z"),
        ("2026-12-01T10:30", "2026-12-01T10:30:00Z"),
        ("2026-12-01 10:30:05", "2026-12-01T10:30:05Z"),
        ("2026-12-01 10:30:05.5+02:00", "2026-12-01T08:30:05.5Z"),
        ("2026-12-01T10:30:05z", "2026-12-01T10:30:05Z"),
    ],
)
def test_an_instant_is_understood_as_people_write_it(text: str, instant: str) -> None:
    assert parse_written_instant(text) == parse_instant(instant)


@pytest.mark.parametrize(
    "text", ["01.12.2026", "2026-13-01", "2026-12-01T25:00", "10:30", "", "now"]
)
def test_another_writing_of_an_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not"):
        parse_written_instant(text)


@given(
    instant=st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=OFFSETS),  # noqa: DTZ001
)
def test_accepted_instants_are_parsed_whatever_their_offset(instant: datetime) -> None:
    assert parse_instant(instant.isoformat()) == instant


@given(instant=st.datetimes() | st.datetimes(timezones=st.just(UTC)))
def test_stored_instants_can_always_be_compared_and_extended(instant: datetime) -> None:
    assert FIRST <= within(instant) <= LAST
    assert within(instant) + timedelta(days=366) > FIRST
