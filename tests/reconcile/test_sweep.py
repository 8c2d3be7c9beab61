"""Sweeps: what they cost, what they find and repair, when they stop and ask, whom they leave alone."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.domain.errors import UnavailableError
from service.domain.phone_numbers import Order
from service.reconcile.steps.webhook_fields import merged
from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import sweeps
from tests.support.reconciling import THEIRS, URL, Make, World
from tests.support.service import eventually
from tests.support.settings import SECRET

HOOK = {"on": "call.ringing", "do": [{"type": "say", "exact": "Hello"}]}
ADMIN = Order("ada", "api")


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
async def test_a_clean_sweep_reads_pages_and_nothing_else(
    world: World, count: int, pages: int
) -> None:
    await world.numbers(count)
    report = await world.sweep()
    assert (report.checked, report.in_sync, report.drifted) == (count, count, 0)
    assert report.pages == world.asked("GET /v2/phone-number") == pages
    assert len(world.vapi.requests()) == pages


async def test_what_answers_numbers_is_listed_once_however_many_they_are(world: World) -> None:
    """Assistants, squads and workflows come by lists too, and only if a number needs them."""
    assistants = [world.vapi.add_assistant()["id"] for _ in range(30)]
    squads = [
        world.vapi.add_squad(members=[{"assistantId": assistant}])["id"] for assistant in assistants
    ]
    workflows = [world.vapi.add_workflow()["id"] for _ in range(30)]
    numbers = list(await world.numbers(90))
    for place in range(30):
        world.vapi.edit_number(numbers[place], assistantId=assistants[place])
    await world.sweep()
    assert {request.path for request in world.vapi.requests()} == {"/v2/phone-number", "/assistant"}
    for place in range(30):
        world.vapi.edit_number(numbers[30 + place], squadId=squads[place])
        world.vapi.edit_number(numbers[60 + place], workflowId=workflows[place])
    before = len(world.vapi.requests())
    report = await world.sweep()
    assert report.in_sync == 90
    assert len(world.vapi.requests()) - before == 4


KINDS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "url": lambda block: {"server": {**block, "url": THEIRS}},
    "header gone": lambda block: {"server": {**block, "headers": {}}},
    "headers gone": lambda block: {"server": {**block, "headers": None}},
    "another secret": lambda block: {"server": {**block, "headers": {"X-Vapi-Secret": "x"}}},
    "timeout": lambda block: {"server": {**block, "timeoutSeconds": 5}},
    "retries": lambda block: {"server": {**block, "backoffPlan": {"type": "fixed"}}},
    "no retries": lambda block: {"server": {**block, "backoffPlan": None}},
    "server cleared": lambda block: {"server": None},
    "legacy field": lambda block: {"server": None, "serverUrl": THEIRS},
    "legacy field of ours": lambda block: {"server": None, "serverUrl": URL},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_drift_is_found_and_repaired(world: World, kind: str) -> None:
    drifted, *others = (await world.numbers(3, hooks=[HOOK])).items()
    world.vapi.edit_number(drifted[0], **KINDS[kind](world.block))
    report = await world.sweep()
    assert (report.drifted, report.repaired, report.in_sync, report.failed) == (1, 1, 2, 0)
    assert [repair.phone_number_id for repair in report.repairs] == [drifted[1]]
    assert SECRET not in str(report.repairs)
    assert world.server(drifted[0]) == world.block
    after = world.vapi.numbers.find(drifted[0]) or {}
    assert (after["name"], after["hooks"]) == ("Line 0", [HOOK])
    assert world.asked("PATCH *") == 1
    again = await world.sweep()
    assert (again.in_sync, again.drifted) == (3, 0)
    assert world.asked("PATCH *") == 1
    assert all(world.server(vapi_id) == world.block for vapi_id, _ in others)


async def test_what_is_not_ours_in_the_block_survives(world: World) -> None:
    theirs: dict[str, Any] = {
        "headers": {"X-Theirs": "keep", "Authorization": "Bearer theirs"},
        "credentialId": "550e8400-e29b-41d4-a716-446655440000",
        "staticIpAddressesEnabled": True,
    }
    vapi_id, _ = next(iter((await world.numbers(1)).items()))
    world.vapi.edit_number(vapi_id, server={**world.block, **theirs, "url": THEIRS})
    await world.sweep()
    desired = world.parts.reconciler.number_pass.desired
    assert world.server(vapi_id) == merged(desired, {**world.block, **theirs})
    assert world.server(vapi_id)["headers"] == {**theirs["headers"], "X-Vapi-Secret": SECRET}


async def test_a_dry_run_changes_nothing_and_calls_the_same_plan_the_same(world: World) -> None:
    numbers = await world.numbers(15)
    world.spoil(list(numbers)[:12])
    before = await world.everything()
    first = await world.sweep(ADMIN, dry_run=True)
    second = await world.sweep(ADMIN, dry_run=True)
    assert await world.everything() == before
    assert world.asked("PATCH *") == 0
    assert (first.drifted, len(first.repairs), first.repaired) == (12, 12, 0)
    assert first.plan == second.plan
    world.spoil(list(numbers)[12:13])
    assert (await world.sweep(ADMIN, dry_run=True)).plan != first.plan


async def test_a_dry_run_over_an_implausible_list_asks_for_nothing_else(world: World) -> None:
    numbers = await world.numbers(15)
    world.spoil(numbers)
    world.vapi.fail("GET /v2/phone-number", answer={"results": [], "metadata": {}})
    before = await world.everything()
    with pytest.raises(UnavailableError):
        await world.sweep(ADMIN, dry_run=True)
    assert await world.everything() == before
    assert len(world.vapi.requests()) == 1


async def test_a_sweep_that_wants_too_much_is_held_until_its_plan_is_named(world: World) -> None:
    numbers = await world.numbers(40)
    world.spoil(list(numbers)[:12])
    assert (await world.sweep()).repaired == 12
    written = world.asked("PATCH *")

    world.spoil(list(numbers)[:13])
    for order in (None, ADMIN):
        refused = await world.refused(order)
        assert refused.code == "too_many_changes"
    assert world.asked("PATCH *") == written
    plan = (await world.sweep(ADMIN, dry_run=True)).plan
    held = (await reconciliation.get(world.pool)).held
    assert held is not None
    assert (held["plan"], held["drifted"], held["limit"]) == (plan, 13, 12)

    world.spoil(list(numbers)[13:14])
    assert (await world.refused(ADMIN, plan=plan)).code == "plan_changed"
    held = (await reconciliation.get(world.pool)).held
    assert held is not None
    assert held["plan"] != plan
    assert world.asked("PATCH *") == written

    done = await world.sweep(ADMIN, plan=held["plan"])
    assert done.repaired == 14
    assert (await reconciliation.get(world.pool)).held is None


async def test_the_brake_lets_ten_pass_and_lets_go_when_the_drift_is_over(world: World) -> None:
    numbers = await world.numbers(12)
    world.spoil(numbers)
    await world.refused()
    world.spoil(list(numbers)[10:], server=dict(world.block))
    report = await world.sweep()
    assert (report.repaired, report.held) == (10, False)
    assert (await reconciliation.get(world.pool)).held is None


async def test_numbers_that_somebody_waits_for_do_not_count(world: World) -> None:
    numbers = await world.numbers(30)
    world.spoil(list(numbers)[:20])
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET state = 'pending', ordered_by = 'ada', "
        "ordered_from = 'cli', last_applied = NULL WHERE phone_number_id = ANY($1::uuid[])",
        list(numbers.values())[:20],
    )
    assert (await world.sweep()).repaired == 20


async def test_a_new_secret_does_not_count(make: Make) -> None:
    old = await make()
    numbers = await old.numbers(30)
    new = await make(vapi_webhook_secret=f"the-new-secret,{SECRET}")
    report = await new.sweep()
    assert (report.drifted, report.repaired) == (30, 30)
    assert new.server(next(iter(numbers)))["headers"] == {"X-Vapi-Secret": "the-new-secret"}
    causes = await new.pool.fetch("SELECT DISTINCT cause FROM callgate.webhook_changes")
    assert [row["cause"] for row in causes] == ["secret_rotated"]


async def test_a_secret_that_we_do_not_accept_counts(make: Make) -> None:
    old = await make()
    await old.numbers(30)
    new = await make(vapi_webhook_secret="the-new-secret")
    assert (await new.refused()).code == "too_many_changes"


async def test_observing_finds_and_writes_nothing_unasked(make: Make) -> None:
    world = await make(callgate_reconcile_mode="observe")
    numbers = await world.numbers(14)
    world.spoil(list(numbers)[:12])
    report = await world.sweep()
    assert (report.drifted, report.repaired, report.held) == (12, 0, False)
    assert report.repairs == []
    assert world.asked("PATCH *") == 0
    assert await world.states() == {"drifted": 12, "in_sync": 2}
    assert (await reconciliation.get(world.pool)).held is None
    assert (await world.refused(ADMIN)).code == "too_many_changes"
    world.spoil(list(numbers)[:6], server=dict(world.block))
    assert (await world.sweep(ADMIN)).repaired == 6


async def test_paused_numbers_are_reported_and_left_alone(world: World) -> None:
    numbers = await world.numbers(3)
    paused, other, ended = numbers.items()
    for number, until in (paused, None), (ended, datetime.now(UTC) - timedelta(seconds=1)):
        await world.pool.execute(
            "UPDATE callgate.webhook_states SET state = 'paused', paused_at = now(), "
            "paused_by = 'ada', paused_until = $2 WHERE phone_number_id = $1",
            number[1],
            until,
        )
    world.spoil(numbers)
    for order in (None, ADMIN):
        report = await world.sweep(order)
        assert report.paused == 1
        assert [left.phone_number_id for left in report.left] == [paused[1]]
    assert world.server(paused[0]) == {"url": THEIRS}
    assert world.server(other[0]) == world.block
    state = await world.state(paused[1])
    assert (state["state"], state["drift"][0]["field"]) == ("paused", "server.url")


async def test_a_pause_of_everything_leaves_all_alone(world: World) -> None:
    numbers = await world.numbers(15)
    async with world.pool.acquire() as connection:
        await reconciliation.pause_all(connection, "ada", "moving house", None)
    world.spoil(numbers)
    for order in (None, ADMIN):
        report = await world.sweep(order)
        assert (report.drifted, report.paused, report.repairs) == (15, 15, [])
    assert world.asked("PATCH *") == 0
    async with world.pool.acquire() as connection:
        await reconciliation.resume_all(connection)
    assert (await world.sweep(plan=(await world.sweep(dry_run=True)).plan)).repaired == 15


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
