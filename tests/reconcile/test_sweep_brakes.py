"""What stops a sweep: the brake, observe mode, pauses."""

from datetime import UTC, datetime, timedelta

from service.admin.conditions import reconcile_conditions
from service.domain.fingerprint import fingerprint
from service.store.reconcile import state as reconciliation
from service.vapi.hooks import ringing_hook
from tests.support.reconciling import OWNER, THEIRS, Make, World
from tests.support.settings import SECRET, secret_of
from tests.support.sweeping import ADMIN


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
    new = await make(vapi_webhook_secret=f"the-new-secret-of-the-tests,{SECRET}")
    report = await new.sweep()
    assert (report.drifted, report.repaired) == (30, 30)
    assert new.server(next(iter(numbers)))["headers"] == {
        "X-Vapi-Secret": secret_of(OWNER, "the-new-secret-of-the-tests")
    }
    causes = await new.pool.fetch("SELECT DISTINCT cause FROM callgate.webhook_changes")
    assert [row["cause"] for row in causes] == ["secret_rotated"]


async def test_numbers_that_carry_the_master_are_rewritten_like_a_rotation(make: Make) -> None:
    """As before secrets were derived: Vapi and the record of the last write hold the master."""
    world = await make()
    numbers = await world.numbers(30)
    block = {**world.block, "headers": {"X-Vapi-Secret": SECRET}}
    world.spoil(numbers, server=block)
    written = {"secret": fingerprint(SECRET), "shown": None}
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET last_applied = last_applied - 'master' || $1", written
    )
    report = await world.sweep()
    assert (report.drifted, report.repaired) == (30, 30)
    assert {repr(world.server(one)) for one in numbers} == {repr(world.block)}
    changes = await world.pool.fetch("SELECT cause, before::text FROM callgate.webhook_changes")
    assert {row["cause"] for row in changes} == {"secret_rotated"}
    assert SECRET not in repr(changes)


async def test_a_secret_that_we_do_not_accept_counts(make: Make) -> None:
    old = await make()
    await old.numbers(30)
    new = await make(vapi_webhook_secret="the-new-secret-of-the-tests")
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


async def test_hooks_that_name_the_day_change_at_midnight_without_approval(make: Make) -> None:
    """Each blocked number has the hook of yesterday; one that another tool wrote does not count so."""
    world = await make(callgate_ring_gate=True, callgate_blocked_message="No calls on {date}.")
    yesterday = "No calls on 2026-01-01."
    numbers = list(await world.numbers(40, hooks=[ringing_hook(yesterday)]))
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET ring_texts = ARRAY[$1], ring_on = true", yesterday
    )
    report = await world.sweep()
    assert (report.repaired, report.failed) == (40, 0)
    texts = {str((world.vapi.numbers.find(one) or {})["hooks"][0]["do"]) for one in numbers}
    assert len(texts) == 1
    assert yesterday not in texts.pop()
    world.spoil(numbers, hooks=[ringing_hook("Call our competitors.")])
    assert (await world.refused()).code == "too_many_changes"


async def test_a_held_sweep_says_how_many_numbers_it_would_change(world: World) -> None:
    """Drifted numbers that are paused are not among them, so a dry run offers as many repairs."""
    numbers = await world.numbers(15)
    paused = list(numbers.values())[:3]
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET state = 'paused', paused_at = now(), paused_by = 'ada', "
        "paused_reason = 'moving' WHERE phone_number_id = ANY($1::uuid[])",
        paused,
    )
    world.spoil(numbers)
    await world.refused()
    row = await reconciliation.get(world.pool)
    texts = [one.text for one in reconcile_conditions(row, world.parts.key.fingerprint)]
    assert [text for text in texts if "would change 12 numbers" in text] == texts
    assert len((await world.sweep(ADMIN, dry_run=True)).repairs) == 12
