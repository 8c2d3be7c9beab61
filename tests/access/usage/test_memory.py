"""How long a granted call may last by what is left of its plan."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from policies.entitlements import PlanLimits, SubscriptionPlan
from service.access.usage.memory import UsageMemory
from service.domain.organizations import Organization
from service.domain.usage.periods import Period
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
    used = UsageState(PERIOD, PERIOD, Decimal(600), Decimal(0), 3, frozenset())
    memory.states[OWNER] = used
    plan = SubscriptionPlan("pro", "active", limits=PlanLimits(minutes=minutes))
    acme = Organization(OWNER, "Acme", plan=plan)
    assert memory.limit_call(acme, reason, NOW, most) == seconds
    assert memory.limit_call(acme, reason, PERIOD.until, most) == most
    assert UsageMemory().limit_call(acme, reason, NOW, most) == most
