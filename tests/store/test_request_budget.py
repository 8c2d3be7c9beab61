"""The budget of requests to Vapi, shared by replicas in PostgreSQL."""

import asyncio
import time

from service.domain.priority import Priority, most_at_once
from service.store.pool import Pool
from service.store.reconcile.request_budget import Budget


async def count_for(seconds: float, budgets: list[Budget], *kinds: Priority) -> dict[Priority, int]:
    """How many requests of each kind go out within a time, where each budget always wants all kinds."""
    counts = dict.fromkeys(kinds, 0)
    deadline = time.monotonic() + seconds

    async def ask(budget: Budget, kind: Priority) -> None:
        while True:
            await budget.pace(kind)
            if time.monotonic() > deadline:
                return
            counts[kind] += 1

    tasks = [asyncio.create_task(ask(budget, kind)) for budget in budgets for kind in kinds]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counts


async def test_replicas_keep_to_one_rate_and_no_kind_starves(pool: Pool) -> None:
    rate, seconds = 60.0, 1.2
    began = time.monotonic()
    counts = await count_for(seconds, [Budget(pool, rate), Budget(pool, rate)], *Priority)
    took = time.monotonic() - began
    assert sum(counts.values()) <= rate * took + most_at_once()
    assert all(counts.values())
    # A loaded machine may be late, never early.
    assert counts[Priority.REPAIR] >= 2


async def test_without_postgresql_each_replica_keeps_to_its_part(pool: Pool) -> None:
    rate = 20.0
    budgets = [Budget(pool, rate), Budget(pool, rate)]
    for _ in range(2):
        for budget in budgets:
            await budget.pace(Priority.REPAIR)
    assert [budget.replicas for budget in budgets] == [2, 2]
    pool.terminate()
    began = time.monotonic()
    counts = await count_for(1.0, budgets, Priority.HANGUP, Priority.LOOK)
    took = time.monotonic() - began
    assert 0 < sum(counts.values()) <= rate * took + 2 * most_at_once()
    assert all(counts.values())


async def test_a_back_off_reaches_every_replica_and_no_hang_up(pool: Pool) -> None:
    one, other = Budget(pool, 50.0), Budget(pool, 50.0)
    await one.back_off(30.0)
    assert 25 < await other.take(Priority.ACCESS) <= 30
    assert await other.take(Priority.HANGUP) == await other.take(Priority.ADMIN) == 0.0
    pool.terminate()
    assert 25 < await one.take(Priority.REPAIR) <= 30


async def test_a_slow_database_holds_up_no_look_up(pool: Pool) -> None:
    """The look-up goes by the replica's own clocks, and its shared request counts all the same."""
    budget = Budget(pool, 5.0)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM callgate.vapi_budget FOR UPDATE")
        began = time.monotonic()
        await budget.pace(Priority.HANGUP)
        assert time.monotonic() - began < 0.9
    await asyncio.gather(*budget.asked)
    assert await pool.fetchval("SELECT version FROM callgate.vapi_budget") == 1
