"""The database's time between readings: a wrong clock of the machine does not matter."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from service.access.database_clock import DatabaseClock

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
OFF = 600.0


def test_without_a_reading_it_is_the_clock_of_the_machine() -> None:
    clock = DatabaseClock(NOON.timestamp)
    assert clock.now() == NOON
    assert clock.ahead_seconds is None


def test_a_reading_replaces_the_clock_of_the_machine() -> None:
    clock = DatabaseClock(lambda: NOON.timestamp() + OFF)
    asked_at = time.monotonic()
    clock.set(NOON, asked_at, asked_at)
    assert timedelta(0) <= clock.now() - NOON < timedelta(seconds=30)
    assert clock.ahead_seconds == pytest.approx(-OFF, abs=30)


def test_a_slow_answer_does_not_shift_what_a_quick_one_measured() -> None:
    clock = DatabaseClock()
    at = time.monotonic()
    clock.set(NOON, at, at)
    measured = clock.offset
    clock.set(NOON + timedelta(seconds=1), at, at + 2)
    assert clock.offset == measured


def test_a_clock_that_is_set_or_another_server_moves_it() -> None:
    clock = DatabaseClock()
    at = time.monotonic()
    clock.set(NOON, at, at)
    clock.set(NOON + timedelta(minutes=5), at, at + 1)
    assert clock.offset == pytest.approx(NOON.timestamp() - at + 299)


def test_it_is_never_before_an_instant_that_is_over() -> None:
    clock = DatabaseClock(NOON.timestamp)
    clock.assume_after(NOON - timedelta(minutes=1))
    assert clock.now() == NOON
    clock.assume_after(NOON + timedelta(minutes=1))
    assert clock.now() >= NOON + timedelta(minutes=1)
