"""A pause that ends, or ends earlier than planned, while passes work: then the number is repaired."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from service.sandbox.server import SandboxVapi
from service.store.reconcile import changes, states
from service.store.reconcile import state as reconciliation
from tests.support.dying import Fate
from tests.support.lives import ELSEWHERE, FORMER, Life
from tests.support.reconcile_stories import ELSEWHERE as THEIRS
from tests.support.reconcile_stories import get, numbers
from tests.support.reconciling import World
from tests.support.service import Start, eventually

PLACES = 60


async def pause_all(life: Life) -> None:
    async with life.pool.acquire() as connection:
        await reconciliation.pause_all(connection, "ada", "moving", None)


async def resume_all(life: Life) -> None:
    async with life.pool.acquire() as connection:
        await reconciliation.resume_all(connection)
        await states.wake_paused(connection)


async def resume(life: Life) -> None:
    async with life.pool.acquire() as connection:
        await states.resume(connection, life.id)


async def at_each_call(life: Life, run: Callable[[Fate], Awaitable[None]]) -> None:
    """Run into the end of the pause at each call in turn; then nothing but due passes follows."""
    for place in range(PLACES):
        await life.add()
        await life.configure()
        life.edit(server={**FORMER, "url": ELSEWHERE})
        fate = Fate(place)
        await run(fate)
        if not fate.reached:
            break
        await life.configure()
        state = await life.state()
        assert (state["state"], state["next_attempt_at"]) == ("in_sync", None), fate.calls
        await life.start_again()
    assert 4 <= place < PLACES


async def test_a_pass_that_began_in_a_pause_leaves_no_number_paused(life: Life) -> None:
    async def run(fate: Fate) -> None:
        await life.due()
        await pause_all(life)
        fate.meanwhile = lambda: resume_all(life)
        async with life.parts(fate) as parts:
            await parts.reconciler.reconcile_due(life.id)

    await at_each_call(life, run)


async def test_a_roll_back_that_is_resumed_meanwhile_leaves_no_number_paused(life: Life) -> None:
    async def run(fate: Fate) -> None:
        change = (await changes.list_page(life.pool, life.id, None, 1))[0]
        await life.pause()
        fate.meanwhile = lambda: resume(life)
        async with life.parts(fate) as parts:
            await parts.reconciler.roll_back(life.id, change)

    await at_each_call(life, run)


@pytest.mark.parametrize("drifted", [True, False], ids=["drifted", "as it should be"])
async def test_a_sweep_finds_what_is_paused_without_a_pause(world: World, drifted: bool) -> None:
    (vapi_id, number_id), *_ = (await world.numbers(2)).items()
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET state = 'paused' WHERE phone_number_id = $1", number_id
    )
    if drifted:
        world.spoil([vapi_id])
    report = await world.sweep()
    assert (report.drifted, report.repaired, report.paused) == (int(drifted), int(drifted), 0)
    assert (await world.state(number_id))["state"] == "in_sync"
    assert world.server(vapi_id) == world.block


async def test_a_pause_of_everything_may_be_given_an_earlier_end(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    number = (await numbers(callgate, vapi, 1))[0]
    await callgate.api("PUT", "/reconcile/pause", {"reason": "migration"})
    vapi.edit_number(number["vapi_phone_number_id"], server=dict(THEIRS))
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    assert (await get(callgate, number))["sync"]["state"] == "paused"
    until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    answer = await callgate.api("PUT", "/reconcile/pause", {"reason": "nearly", "until": until})
    assert answer.status == 200

    async def in_sync() -> bool:
        return bool((await get(callgate, number))["sync"]["state"] == "in_sync")

    await eventually(in_sync)
