"""Limits of plans that are nearly or fully used, as conditions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.admin.usage.limits import LimitConditions
from service.admin.usage.usage import UsageReports
from service.store.pool import Pool
from tests.support.calls import new_call, record

NOW = datetime.now(UTC)
ADD = """
WITH made AS (INSERT INTO callgate.organizations (name, time_zone) VALUES ($1, $4) RETURNING id)
INSERT INTO callgate.plans (organization_id, code, status, limits, current_period_end)
SELECT id, 'pro', 'active', $2, $3 FROM made RETURNING organization_id
"""


async def add(
    pool: Pool,
    name: str,
    limits: dict[str, Any] | None,
    *,
    end: datetime | None = None,
    zone: str | None = None,
) -> UUID:
    found: UUID = await pool.fetchval(ADD, name, limits, end, zone)
    return found


async def use(pool: Pool, owner: UUID, minutes: float, cost: str = "0", *, days: int = 0) -> None:
    at = NOW - timedelta(days=days)
    call = new_call(
        str(uuid4()),
        organization_id=owner,
        started_at=at,
        ended_at=at,
        duration_seconds=minutes * 60,
        cost=Decimal(cost),
    )
    await record(pool, call)


async def conditions(pool: Pool) -> dict[str, str]:
    watch = LimitConditions(UsageReports(pool), reused_seconds=0.0)
    return {one.kind: one.text for one in await watch.read()}


async def test_nothing_is_said_without_limits(pool: Pool) -> None:
    owner = await add(pool, "Free", None)
    await use(pool, owner, 10_000)
    assert await conditions(pool) == {}


async def test_organizations_are_counted_by_the_limit_that_is_used_most(pool: Pool) -> None:
    for name, minutes, cost in (("A", 79, "1"), ("B", 80, "1"), ("C", 5, "9"), ("D", 5, "10")):
        owner = await add(pool, name, {"minutes": 100, "cost": 10})
        await use(pool, owner, minutes, cost)
    busy = await add(pool, "E", {"concurrent_calls": 1})
    await record(pool, new_call("live", organization_id=busy))
    assert await conditions(pool) == {
        "plan_limit_reached": "A limit of the plan is reached: 2 organizations.",
        "plan_limit_near": "80 per cent of a limit of the plan are used: 2 organizations.",
    }


@pytest.mark.parametrize("zone", [None, "Pacific/Auckland"])
async def test_only_the_present_period_counts(pool: Pool, zone: str | None) -> None:
    end = NOW + timedelta(days=3)
    owner = await add(pool, "A", {"minutes": 10}, end=end, zone=zone)
    await use(pool, owner, 100, days=35)
    (found,) = await UsageReports(pool).list_limits()
    assert found.state is None
    assert found.period.until == end
    await use(pool, owner, 8, days=20)
    (found,) = await UsageReports(pool).list_limits()
    assert found.state == "near"
    assert [(one.kind, one.used, one.limit) for one in found.uses] == [("minutes", 8.0, 10.0)]
