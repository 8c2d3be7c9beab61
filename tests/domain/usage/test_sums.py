"""How far usage exhausts the limits of a plan."""

from decimal import Decimal

import pytest

from policies.entitlements import PlanLimits
from service.domain.usage.sums import UsageSums, limit_state, limit_uses, longest_call


@pytest.mark.parametrize(
    ("limits", "minutes", "cost", "live", "state"),
    [
        (None, 10_000, "900", 50, None),
        (PlanLimits(), 10_000, "900", 50, None),
        (PlanLimits(minutes=100), 79.9, "0", 0, None),
        (PlanLimits(minutes=100), 80, "0", 0, "near"),
        (PlanLimits(minutes=100), 100, "0", 0, "reached"),
        (PlanLimits(minutes=0), 0, "0", 0, "reached"),
        (PlanLimits(cost=10), 0, "7.99", 0, None),
        (PlanLimits(cost=10), 0, "8", 0, "near"),
        (PlanLimits(minutes=100, cost=10), 85, "10.5", 0, "reached"),
        (PlanLimits(concurrent_calls=5), 0, "0", 4, None),
        (PlanLimits(concurrent_calls=5), 0, "0", 5, "reached"),
    ],
)
def test_a_limit_is_near_at_80_per_cent_and_reached_at_100(
    limits: PlanLimits | None, minutes: float, cost: str, live: int, state: str | None
) -> None:
    sums = UsageSums(1, 0, Decimal(str(minutes * 60)), Decimal(cost))
    assert limit_state(limit_uses(limits, sums, live)) == state


@pytest.mark.parametrize(
    ("limits", "used", "seconds"),
    [
        (None, 0.0, None),
        (PlanLimits(cost=1), 0.0, None),
        (PlanLimits(minutes=10), 0.0, 600),
        # Vapi takes 43,200 seconds at most.
        (PlanLimits(minutes=720), 1.0, 43_199),
        (PlanLimits(minutes=720), 0.0, None),
        (PlanLimits(minutes=1e12), 0.0, None),
        (PlanLimits(minutes=10), 540.5, 59),
        (PlanLimits(minutes=10), 595.0, 10),
        (PlanLimits(minutes=10), 9000.0, 10),
    ],
)
def test_a_call_may_last_for_what_is_left_of_the_minutes(
    limits: PlanLimits | None, used: float, seconds: int | None
) -> None:
    assert longest_call(limits, used) == seconds
