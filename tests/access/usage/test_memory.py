"""What is used of a plan at an instant that the last reading does not cover, and how long a granted call
may last by what is left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from policies.contract import AccessRequest
from policies.entitlements import PlanLimits, SubscriptionPlan
from policies.testing import request
from service.access.usage.memory import UsageMemory
from service.domain.organizations import Organization
from service.domain.usage.periods import Period, billing_period, day_of
from service.store.usage.changes import UsageState

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PERIOD = Period(NOW - timedelta(days=5), NOW + timedelta(days=5))
OWNER = UUID(int=1)


@pytest.mark.parametrize(
    ("minutes", "reason", "most", "seconds"),
    [
        (100.0, "plan_active", None, 5400),
        (100.0, "plan_active", 600, 600),
        (11.0, "plan_active", 600, 60),
        (10.0, "plan_active", 600, 10),
        (5.0, "trial_active", None, None),
        (5.0, "plan_in_grace", None, 10),
        (5.0, "override_allow", 600, 600),
        (None, "plan_active", 600, 600),
        (None, "plan_active", None, None),
    ],
)
def test_what_is_left_limits_a_call(
    minutes: float | None, reason: str, most: int | None, seconds: int | None
) -> None:
    memory = UsageMemory()
    plan = SubscriptionPlan("pro", "active", limits=PlanLimits(minutes=minutes))
    memory.states[OWNER] = read_up_to(plan)
    acme = Organization(OWNER, "Acme", plan=plan)
    assert memory.limit_call(acme, reason, NOW, most) == seconds
    assert UsageMemory().limit_call(acme, reason, NOW, most) == most


PLAN = SubscriptionPlan("pro", "active", PERIOD.until, limits=PlanLimits(minutes=100.0))


def memory_of(used: UsageState) -> UsageMemory:
    memory = UsageMemory(loaded=True)
    memory.states[OWNER] = used
    return memory


def asked(plan: SubscriptionPlan | None, at: datetime, **changes: Any) -> AccessRequest:
    owner, zone = changes.pop("owner", OWNER), changes.pop("time_zone", None)
    facts = replace(request().organization, id=owner, time_zone=zone)
    return replace(request(plan=plan, at=at), organization=facts, **changes)


def read_up_to(plan: SubscriptionPlan | None, zone: str = "UTC") -> UsageState:
    """Ten minutes used in the plan's period, and one call under way."""
    period, day = billing_period(plan, NOW, ZoneInfo(zone)), day_of(NOW, ZoneInfo(zone))
    return UsageState(period, day, Decimal(600), Decimal(1), 1, frozenset({"live"}), 3)


def test_a_period_that_ended_since_the_reading_leaves_calls_under_way() -> None:
    memory = memory_of(read_up_to(PLAN))
    at = PERIOD.until + timedelta(seconds=1)
    found = memory.read(asked(PLAN, at))
    assert found is not None
    assert (found.live_calls, found.seconds, found.cost, found.calls) == (1, 0.0, 0.0, 0)
    assert found.period_start == PERIOD.until


def test_the_new_period_limits_a_call_by_all_of_its_minutes() -> None:
    memory = memory_of(read_up_to(PLAN))
    acme = Organization(OWNER, "Acme", plan=PLAN)
    assert memory.limit_call(acme, "plan_active", PERIOD.until, None) == 6000
    assert memory.limit_call(acme, "plan_active", PERIOD.until, 600) == 600


def test_a_period_after_the_last_reading_is_the_one_of_the_organizations_time_zone() -> None:
    memory = memory_of(read_up_to(None, "Asia/Tokyo"))
    at = datetime(2026, 12, 15, tzinfo=UTC)
    found = memory.read(asked(None, at, time_zone="Asia/Tokyo"))
    assert found is not None
    assert found.period_end == datetime(2026, 12, 31, 15, tzinfo=UTC)
    found = memory.read(asked(None, at, time_zone="Asia/Tokyo", owner=UUID(int=2)))
    assert found is not None
    assert found.period_end == datetime(2026, 12, 31, 15, tzinfo=UTC)


def test_the_usage_of_the_former_period_counts_against_no_new_plan() -> None:
    """A smaller plan begins with the payment: what was used before is unknown of its period, until the
    next reading, and neither denies nor cuts a call. What an admin supposes is about the present."""
    memory = memory_of(read_up_to(PLAN))
    paid = replace(
        PLAN, current_period_end=NOW + timedelta(days=31), limits=PlanLimits(minutes=5.0)
    )
    assert memory.read(asked(paid, NOW)) is None
    assert memory.read(asked(paid, NOW, purpose="ring_gate")) is None
    acme = Organization(OWNER, "Acme", plan=paid)
    assert memory.limit_call(acme, "plan_active", NOW, None) is None
    supposed = memory.read(asked(paid, NOW, purpose="preview"))
    assert supposed is not None
    assert supposed.seconds == 600.0
    raised = replace(PLAN, limits=PlanLimits(minutes=5.0))
    found = memory.read(asked(raised, NOW))
    assert found is not None
    assert found.seconds == 600.0
