"""What figures of a report count."""

from datetime import timedelta
from decimal import Decimal

import pytest

from service.domain.calls import plausible_cost, plausible_duration

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("seconds", "age", "counts"),
    [
        (0.0, MINUTE, True),
        (60.0, MINUTE, True),
        (360.0, MINUTE, True),
        (360.1, MINUTE, False),
        (86_400.0, timedelta(days=3), True),
        (86_401.0, timedelta(days=3), False),
        (300.0, -MINUTE, True),
        (-1.0, MINUTE, False),
    ],
)
def test_a_call_lasts_no_longer_than_it_exists(
    seconds: float, age: timedelta, *, counts: bool
) -> None:
    assert plausible_duration(seconds, age) == (seconds if counts else None)
    assert plausible_duration(None, age) is None


@pytest.mark.parametrize(
    ("cost", "seconds", "counts"),
    [
        ("0", 0.0, True),
        ("1", 0.0, True),
        ("1.01", 0.0, False),
        ("301", 3600.0, True),
        ("999999999", 3600.0, False),
        ("31", None, True),
        ("32", None, False),
    ],
)
def test_a_cost_is_bounded_by_the_minute(cost: str, seconds: float | None, *, counts: bool) -> None:
    amount = Decimal(cost)
    assert plausible_cost(amount, seconds, MINUTE) == (amount if counts else None)
    assert plausible_cost(None, seconds, MINUTE) is None
