"""Usage is what a replay of the messages gives, in any order, folded or not, and after a rebuild."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.domain.calls import CallEnd, NewCall
from service.domain.handling import Handling
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool
from service.store.pool import Pool
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from service.store.usage.folding import Rebuilt, UsageFolding, rebuild
from tests.simulation.test_model import (
    ORGANIZATION,
    OWNERS,
    answer,
    arguments,
    build_model,
    called,
)
from tests.store.usage.helpers import KEPT, check, read, usage_of
from tests.support.calls import AT, new_call, record

STEPS = 60
CHANGES = (
    "record_calls",
    "record_end",
    "change_owner",
    "reopen_hangup",
    "cut_calls",
    "reopen_call",
)
AT_ONCE = 40
DAYS = timedelta(days=100)


async def rebuilt(pool: Pool) -> Rebuilt:
    async with pool.acquire() as connection, connection.transaction():
        return await rebuild(connection)


def earlier(chance: random.Random, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments with calls that began hours ago."""
    hours = timedelta(hours=chance.randint(0, 30))
    return tuple(
        [replace(call, started_at=call.started_at - hours) for call in one]
        if isinstance(one, list) and one and isinstance(one[0], NewCall)
        else one
        for one in given
    )


@pytest.mark.parametrize("seed", range(6))
async def test_any_changes_of_calls_add_up_to_what_the_calls_are(pool: Pool, seed: int) -> None:
    """The replay is the model of the tables: the same messages without PostgreSQL."""
    chance = random.Random(seed)
    store, model = CallStore(pool), build_model()
    folding = UsageFolding(pool, after=0.0, batch=3)
    for owner in OWNERS:
        await pool.execute(ORGANIZATION, owner, "A", Handling(when_access_ends="hang_up").stored())
    for step in range(STEPS):
        name = chance.choice(CHANGES)
        given = earlier(chance, arguments(chance, name, model))
        await answer(getattr(store, name)(*given))
        await answer(called(getattr(model, name), *given))
        if chance.random() < 0.2:
            await folding.fold()
        if chance.random() < 0.05:
            assert (await rebuilt(pool)).corrected == 0
        if step % 10 == 9:
            await check(pool, usage_of(model.tables.calls.values()))
    await check(pool, usage_of(model.tables.calls.values()))


def messages_of(chance: random.Random, call_id: str) -> list[Entry]:
    """The messages of a call as two replicas saw them: beginnings, and reports of its end."""
    owner = chance.choice(OWNERS)
    began = AT - timedelta(hours=chance.randint(0, 40))
    allowed = chance.random() < 0.7
    first = new_call(call_id, allowed=allowed, organization_id=owner, started_at=began)
    later = replace(first, started_at=began + timedelta(minutes=chance.randint(0, 90)))
    unknown = replace(later, organization_id=None)
    end = CallEnd(
        call_id,
        began + timedelta(minutes=5),
        duration_seconds=chance.choice((None, 12.5, 61.25, -3.0, 10.0**7)),
        cost=chance.choice((None, Decimal("0.31"), Decimal(-1), Decimal(10**6))),
        organization_id=owner,
        reported_at=began + timedelta(minutes=5),
        call=later,
    )
    proved = replace(end, proof="vapi", duration_seconds=60.5, cost=Decimal("0.25"), call=None)
    entries = [Entry(call=first), Entry(call=later), Entry(end=end), Entry(end=end)]
    if chance.random() < 0.5:
        entries.append(Entry(call=unknown))
    if chance.random() < 0.3:
        entries.append(Entry(end=replace(proved, call=first)))
    return entries


@pytest.mark.parametrize("seed", range(3))
async def test_two_spools_in_any_order_give_the_usage_of_the_true_order(
    pool: Pool, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    store, folding = CallStore(pool), UsageFolding(pool, after=0.0)
    lives = [messages_of(chance, f"call-{number}") for number in range(12)]

    async def play(entries: Sequence[Entry], name: str) -> dict[Any, Any]:
        await pool.execute("TRUNCATE callgate.calls, callgate.usage_hours, callgate.usage_days")
        await pool.execute("TRUNCATE callgate.usage_deltas, callgate.call_claims")
        spools = [Spool(tmp_path / name / str(number), store) for number in range(2)]
        for entry in entries:
            place = chance.choice((*spools, None))
            if place is not None:
                await place.keep(entry)
            elif entry.call is not None:
                await store.record_calls([entry.call])
            elif entry.end is not None:
                await store.record_end(entry.end)
            if chance.random() < 0.1:
                await folding.fold()
        chance.shuffle(spools)
        for spool in spools:
            await spool.drain()
            spool.close()
        await check(pool)
        return await read(pool, KEPT)

    in_order = await play([entry for life in lives for entry in life], "true")
    mixed = [entry for life in lives for entry in life]
    chance.shuffle(mixed)
    assert await play(mixed, "mixed") == in_order


async def test_many_transactions_over_the_same_organizations_do_not_wait_for_each_other(
    pool: Pool,
) -> None:
    """Each changes the calls of all organizations, in an order of its own, while others fold."""
    owners = [uuid4() for _ in range(6)]
    calls = [
        new_call(f"{owner}-{worker}", organization_id=owner, started_at=AT)
        for worker in range(AT_ONCE)
        for owner in owners
    ]
    await record(pool, *calls)
    folding = UsageFolding(pool, after=0.0, batch=20)

    async def change(worker: int) -> None:
        chance = random.Random(worker)
        async with pool.acquire() as connection, connection.transaction():
            for owner in chance.sample(owners, len(owners)):
                await connection.execute(
                    "UPDATE callgate.calls SET duration_seconds = $2, cost = 0.1, ended_at = now() "
                    "WHERE vapi_call_id = $1",
                    f"{owner}-{worker}",
                    float(worker),
                )
                await asyncio.sleep(0)

    await asyncio.gather(*map(change, range(AT_ONCE)), *(folding.fold() for _ in range(10)))
    await check(pool)
    await folding.fold()
    await check(pool)
    kept = await read(pool, KEPT)
    assert {sums.calls for sums in kept.values()} == {AT_ONCE}
    assert {sums.seconds for sums in kept.values()} == {Decimal(sum(range(AT_ONCE)))}


async def test_differences_wait_until_every_replica_has_seen_them(pool: Pool) -> None:
    await record(pool, new_call("a", organization_id=uuid4()))
    await UsageFolding(pool).fold()
    assert await pool.fetchval("SELECT count(*) FROM callgate.usage_deltas") == 1
    await UsageFolding(pool, after=0.0).fold()
    assert await pool.fetchval("SELECT count(*) FROM callgate.usage_deltas") == 0
    await check(pool)


async def test_figures_that_no_call_can_have_count_as_nothing(pool: Pool) -> None:
    await record(pool, new_call("a", organization_id=OWNERS[0]), new_call("b"))
    for seconds, cost in (("NaN", "NaN"), ("Infinity", "-5"), ("-1", "1e30")):
        await pool.execute(
            f"UPDATE callgate.calls SET duration_seconds = '{seconds}', cost = {cost!r}"
        )
        await check(pool)
    await pool.execute("UPDATE callgate.calls SET duration_seconds = 1.1, cost = 2")
    await check(pool)
    assert [sums.seconds for sums in (await read(pool, KEPT)).values()] == [Decimal("1.1")]


async def test_a_rebuild_repairs_sums_and_keeps_those_of_deleted_calls(pool: Pool) -> None:
    owner = UUID(int=7)
    old = AT - timedelta(days=200)
    await record(
        pool,
        new_call("old", organization_id=owner, started_at=old, duration_seconds=5.0, ended_at=old),
        new_call("new", organization_id=owner, duration_seconds=7.0, ended_at=AT),
    )
    await pool.execute("UPDATE callgate.calls SET created_at = started_at")
    folding = UsageFolding(pool, after=0.0)
    await folding.fold()
    expected = await read(pool, KEPT)
    keep = await pool.fetchval("SELECT now() - $1::timestamptz", AT - DAYS)
    await pool.execute("UPDATE callgate.retention SET next_at = now()")
    await Retention(pool, kept_rows(keep, DAYS, DAYS)).delete_if_due()
    assert await pool.fetchval("SELECT count(*) FROM callgate.calls") == 1
    assert await read(pool, KEPT) == expected

    await pool.execute(
        "UPDATE callgate.usage_hours SET calls = calls + 5 WHERE hour > $1", AT - DAYS
    )
    await pool.execute("INSERT INTO callgate.usage_days VALUES ($1, $2, 9, 9, 9, 9)", OWNERS[0], AT)
    done = await rebuilt(pool)
    assert (done.calls, done.organizations, done.corrected) == (1, 1, 1)
    assert await read(pool, KEPT) == expected
    assert await pool.fetchval("SELECT count(*) FROM callgate.usage_days") == 2


async def test_a_rebuild_after_a_deletion_over_midnight_keeps_that_day(pool: Pool) -> None:
    """The deletion noted how far it goes before midnight, and went on after it."""
    owner = UUID(int=7)
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    first, later = midnight + timedelta(minutes=10), midnight + timedelta(hours=12)
    for name, at in (("first", first), ("later", later)):
        call = new_call(
            name, organization_id=owner, started_at=at, duration_seconds=5.0, ended_at=at
        )
        await record(pool, call)
    await UsageFolding(pool, after=0.0).fold()
    expected = await read(pool, KEPT)
    await pool.execute(
        "UPDATE callgate.retention SET calls_deleted_before = $1", midnight - timedelta(minutes=1)
    )
    await pool.execute("DELETE FROM callgate.calls WHERE vapi_call_id = 'first'")
    await rebuilt(pool)
    assert await read(pool, KEPT) == expected
    assert await pool.fetchval("SELECT sum(calls) FROM callgate.usage_days") == 2
