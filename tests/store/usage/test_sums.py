"""Sums of any period, in any time zone, are those of the calls that began in it."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from service.domain.usage.periods import Interval, Period, intervals
from service.domain.usage.sums import NOTHING, UsageSums
from service.store.pool import Pool
from service.store.usage.folding import UsageFolding
from service.store.usage.sums import count_live, sum_periods
from tests.support.calls import AT, new_call, record

OWNERS = [UUID(int=number) for number in range(1, 4)]
CALLS = 400


def random_calls(chance: random.Random) -> list[tuple[UUID, datetime, UsageSums]]:
    return [
        (
            chance.choice(OWNERS),
            AT - timedelta(seconds=chance.randint(0, 5 * 86_400)),
            UsageSums(
                1, int(chance.random() < 0.3), Decimal(chance.randint(0, 999)) / 8, Decimal(2)
            ),
        )
        for _ in range(CALLS)
    ]


async def add(pool: Pool, name: str, calls: list[tuple[UUID, datetime, UsageSums]]) -> None:
    await record(
        pool,
        *(
            new_call(
                f"{name}-{number}",
                allowed=not sums.blocked_calls,
                organization_id=owner,
                started_at=at,
                ended_at=at,
                duration_seconds=float(sums.seconds),
                cost=sums.cost,
            )
            for number, (owner, at, sums) in enumerate(calls)
        ),
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("interval", ["day", "month"])
async def test_any_period_has_the_sums_of_its_calls(
    pool: Pool, zone: str, interval: Interval
) -> None:
    chance = random.Random(f"{zone} {interval}")
    folded, fresh = random_calls(chance), random_calls(chance)
    await add(pool, "folded", folded)
    await UsageFolding(pool, after=0.0).fold()
    await add(pool, "fresh", fresh)
    since = AT - timedelta(days=6)
    wanted = [
        (owner, piece)
        for owner in OWNERS
        for piece in intervals(Period(since, AT + timedelta(hours=1)), interval, ZoneInfo(zone))
    ]
    for _ in range(40):
        begin = since + timedelta(seconds=chance.randint(0, 6 * 86_400))
        length = timedelta(seconds=chance.choice((0, 1, 1800, 5000, 90_000, 300_000)))
        wanted.append((chance.choice(OWNERS), Period(begin, begin + length)))

    def replay(owner: UUID, period: Period) -> UsageSums:
        found = NOTHING
        for one, at, sums in (*folded, *fresh):
            if one == owner and period.since <= at < period.until:
                found += sums
        return found

    assert await sum_periods(pool, wanted) == [replay(*one) for one in wanted]


async def test_live_calls_are_granted_and_not_over(pool: Pool) -> None:
    one, two = OWNERS[:2]
    await record(
        pool,
        new_call("a", organization_id=one),
        new_call("b", organization_id=one),
        new_call("c", organization_id=two),
        new_call("nobody"),
        new_call("blocked", allowed=False, organization_id=one),
        new_call("over", organization_id=one, ended_at=AT),
    )
    await record(pool, new_call("stuck", organization_id=two))
    await pool.execute(
        "UPDATE callgate.calls SET created_at = now() - interval '25 hours' "
        "WHERE vapi_call_id = 'stuck'"
    )
    assert await count_live(pool) == {one: 2, two: 1}
    assert await count_live(pool, [two]) == {two: 1}
