"""Sweeps over numbers that refuse, that are unregistered, and that another sweep repairs."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

import pytest

from service.store.pool import Pool
from service.store.reconcile import sweeps
from tests.support.reconciling import THEIRS, URL, Make, World
from tests.support.service import eventually
from tests.support.sweeping import ADMIN


async def test_a_number_that_vapi_refuses_to_change_is_not_asked_again_and_again(
    world: World,
) -> None:
    (bad, bad_id), (good, _) = (await world.numbers(2)).items()
    world.spoil([bad, good])
    world.vapi.fail(f"PATCH /phone-number/{bad}", status=400)
    first = await world.sweep()
    assert (first.repaired, first.failed) == (1, 1)
    assert (await world.state(bad_id))["problem"] == "rejected"
    for _ in range(4):
        report = await world.sweep()
        assert (report.drifted, report.repairs, len(report.left)) == (1, [], 1)
    assert world.asked(f"PATCH /phone-number/{bad}") == 1
    # A person need not wait.
    await world.sweep(ADMIN)
    assert world.asked(f"PATCH /phone-number/{bad}") == 2
    world.vapi.faults.clear()
    assert (await world.sweep(ADMIN)).repaired == 1


async def test_a_look_that_is_planned_anyway_is_no_reason_to_wait(world: World) -> None:
    """A number in sync may be due at the end of a trial; its drift is repaired at once."""
    (vapi_id, number_id), *_ = (await world.numbers(1)).items()
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET next_attempt_at = now() + interval '3 days'"
    )
    world.spoil([vapi_id])
    assert (await world.sweep()).repaired == 1
    assert (await world.state(number_id))["state"] == "in_sync"


async def test_numbers_that_nobody_registered_are_never_touched(world: World) -> None:
    await world.numbers(3)
    unknown = [world.vapi.add_number(server={"url": THEIRS}), world.vapi.add_number()]
    before = [dict(number) for number in unknown]
    report = await world.sweep(ADMIN)
    assert (report.checked, report.in_sync) == (3, 3)
    assert [world.vapi.numbers.find(number["id"]) for number in unknown] == before
    assert {request.path for request in world.vapi.requests()} == {"/v2/phone-number"}


async def test_odd_numbers_among_the_others_do_not_stop_a_sweep(world: World) -> None:
    """What Vapi's list may hold: nothing is certain about any field."""
    odd, *others = (await world.numbers(4)).items()
    found: tuple[dict[str, Any], ...] = (
        {"server": "https://a.text"},
        {"server": []},
        {"server": {"url": 7, "headers": "none", "backoffPlan": "never", "timeoutSeconds": "20"}},
        {"server": {"url": THEIRS, "headers": {"x-vapi-secret": None, "X-VAPI-SECRET": [1]}}},
        {"server": {}, "assistantId": 5, "squadId": {}, "workflowId": []},
    )
    for fields in found:
        before = world.asked("PATCH *")
        world.vapi.edit_number(odd[0], **fields)
        report = await world.sweep()
        assert (report.drifted, report.repaired, report.in_sync) == (1, 1, len(others))
        assert world.asked("PATCH *") == before + 1
        assert world.server(odd[0])["url"] == URL
        # Five changes within the hour would be a fight.
        await world.pool.execute("UPDATE callgate.webhook_states SET settled_at = now()")


async def test_two_sweeps_at_once_repair_each_number_once(make: Make) -> None:
    one, two = await make(), await make()
    numbers = await one.numbers(30)
    drifted = list(numbers)[:9]
    one.spoil(drifted)
    reports = await asyncio.gather(one.sweep(), two.sweep(ADMIN))
    assert all(report.in_sync + report.drifted + report.remaining >= 30 for report in reports)
    assert [one.asked(f"PATCH /phone-number/{vapi_id}") for vapi_id in drifted] == [1] * 9
    assert await one.states() == {"in_sync": 30}


STATEMENTS: Mapping[str, Callable[[Pool, list[UUID]], Coroutine[None, None, None]]] = {
    "seen": lambda pool, ids: sweeps.mark_seen(pool, 1, ids, ids),
    "due": lambda pool, ids: sweeps.make_due(pool, ids, None),
    "drift": lambda pool, ids: sweeps.record_drift(
        pool, [{"id": str(one), "claim": 0, "state": "drifted", "drift": []} for one in ids]
    ),
}


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_two_sweeps_never_wait_for_each_other_in_a_ring(world: World, statement: str) -> None:
    """A sweep that waits for the first row by its id holds no other one yet."""
    ids = sorted((await world.numbers(300)).values())
    touch = "UPDATE callgate.webhook_states SET failures = failures WHERE phone_number_id = $1"
    await world.pool.execute(touch, ids[0])
    lies_first = await world.pool.fetchval(
        "SELECT phone_number_id FROM callgate.webhook_states ORDER BY ctid LIMIT 1"
    )

    async def waits() -> bool:
        return bool(
            await world.pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )

    async with world.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute(touch, ids[0])
            other = asyncio.create_task(STATEMENTS[statement](world.pool, ids))
            await eventually(waits)
            await connection.execute(touch, lies_first)
    await other


async def test_a_sweep_keeps_what_it_saw(world: World) -> None:
    numbers = await world.numbers(4)
    world.spoil(list(numbers)[:1])
    told: list[tuple[str, int, int]] = []
    await world.sweep(ADMIN, progress=lambda *step: told.append(step))
    row = await world.pool.fetchrow("SELECT * FROM callgate.sweeps")
    assert row is not None
    assert (row["outcome"], row["started_by"], row["registered"], row["seen"]) == (
        "done",
        "ada",
        4,
        4,
    )
    assert (row["figures"]["repaired"], row["figures"]["in_sync"]) == (1, 3)
    assert told[0] == ("look", 4, 4)
    assert told[-1] == ("repair", 1, 1)
    checked = await world.pool.fetchval(
        "SELECT count(*) FROM callgate.webhook_states WHERE last_checked_at > $1",
        row["started_at"],
    )
    assert checked == 4
