"""Fights, back-off, Retry-After, the shared budget: when the reconciler waits, and when it stops."""

import time
from typing import Any

from service.sandbox.server import SandboxVapi
from service.store.reconcile import changes as webhook_changes
from tests.support.reconciling import World
from tests.support.service import Replica, Start, eventually

ELSEWHERE = {"url": "https://elsewhere.example.net/hook"}


async def added(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    return str(number["id"]), number_id


async def sync_of(callgate: Replica, number: str) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number}")).json["sync"]


async def test_a_fight_is_left_alone_with_its_field_and_taken_up_by_hand(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number, number_id = await added(callgate, vapi)
    for _ in range(2):
        vapi.edit_number(number_id, server=dict(ELSEWHERE))
        report = (await callgate.api("POST", "/reconcile")).json
        assert report["repaired"] == 1
    vapi.edit_number(number_id, server=dict(ELSEWHERE))
    report = (await callgate.api("POST", "/reconcile")).json
    assert report["repaired"] == 0
    sync = await sync_of(callgate, number)
    assert sync["state"] == "drifted"
    assert "server.url" in sync["last_error"]
    assert "3 times within an hour" in sync["last_error"]
    assert (vapi.numbers.find(number_id) or {})["server"] == ELSEWHERE
    assert (await callgate.api("GET", "/reconcile")).json["fights"] == 1
    synced = await callgate.api("POST", f"/phone-numbers/{number}/sync")
    assert synced.json["sync"]["state"] == "in_sync"
    assert (await callgate.api("GET", "/reconcile")).json["fights"] == 0


async def test_what_vapi_did_not_take_is_no_change_and_no_fight(world: World) -> None:
    """Only a repair that arrived, and that another tool undid, counts and is marked applied."""
    number_id, number = next(iter((await world.numbers(1)).items()))
    world.spoil([number_id])
    for fault in ({"status": 503}, {"status": 429}, {"reset": True}):
        world.vapi.fail_next("PATCH /phone-number/*", **fault)
        await world.sweep()
        assert (await world.state(number))["state"] == "pending"
        await world.pool.execute("UPDATE callgate.webhook_states SET next_attempt_at = now()")
    await world.sweep()
    assert (await world.state(number))["state"] == "in_sync"
    changes = await webhook_changes.list_page(world.pool, number, None, 10)
    assert [change.applied_at is not None for change in changes] == [True, False, False, False]
    world.spoil([number_id])
    await world.sweep()
    assert (await world.state(number))["problem"] is None
    assert world.server(number_id) == world.block
    # An answer that was lost after the change arrived: it is known once the number is seen so.
    world.spoil([number_id], server={**world.block, "timeoutSeconds": 3})
    await world.pool.execute("UPDATE callgate.webhook_states SET settled_at = now()")
    world.vapi.fail_next("PATCH /phone-number/*", reset=True, done=True)
    await world.sweep()
    await world.pool.execute("UPDATE callgate.webhook_states SET next_attempt_at = now()")
    await world.sweep()
    assert (await webhook_changes.list_page(world.pool, number, None, 1))[0].applied_at is not None


async def test_back_off_grows_and_is_reset_by_success(callgate: Replica, vapi: SandboxVapi) -> None:
    number, number_id = await added(callgate, vapi)
    pool = callgate.service.pool
    vapi.edit_number(number_id, server=dict(ELSEWHERE))
    vapi.fail("PATCH /phone-number/*", status=503)
    waits = []
    for _ in range(3):
        await callgate.api("POST", f"/phone-numbers/{number}/sync")
        waits.append(
            await pool.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float8 "
                "FROM callgate.webhook_states"
            )
        )
    assert 1 < waits[0] < 3 < waits[1] < 6 < waits[2] < 11
    sync = await sync_of(callgate, number)
    assert (sync["state"], "503" in sync["last_error"]) == ("pending", True)
    vapi.faults.clear()
    await callgate.api("POST", f"/phone-numbers/{number}/sync")
    assert await pool.fetchval("SELECT failures FROM callgate.webhook_states") == 0
    sync = await sync_of(callgate, number)
    assert (sync["state"], sync["last_error"], sync["next_attempt_at"]) == ("in_sync", None, None)


async def test_retry_after_is_kept_and_slows_everybody_but_hang_ups(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_call_watch_interval=0)
    number, number_id = await added(callgate, vapi)
    pool = callgate.service.pool
    vapi.edit_number(number_id, server=dict(ELSEWHERE))
    vapi.fail_next("GET /phone-number/*", status=429, retry_after=7)
    await callgate.api("POST", f"/phone-numbers/{number}/sync")
    wait = await pool.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM callgate.webhook_states"
    )
    assert wait > 6
    ahead = await pool.fetchval(
        "SELECT (state ->> 'paused_until')::float8 - extract(epoch FROM now())::float8 "
        "FROM callgate.vapi_budget"
    )
    assert ahead > 5
    blocked = vapi.add_number(provider="vapi")["id"]
    await callgate.service.pool.execute(
        "UPDATE callgate.vapi_budget SET next_request_at = now() + interval '1 hour'"
    )
    message = vapi.live_call(blocked)
    owner = await callgate.add_organization("Blocked")
    await pool.execute(
        """
        WITH number AS (
            INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id)
            VALUES ($1::uuid, $2) RETURNING id)
        INSERT INTO callgate.webhook_states (phone_number_id, next_attempt_at)
        SELECT id, NULL FROM number
        """,
        owner,
        blocked,
    )

    async def known() -> bool:
        return blocked in callgate.service.access.directory.numbers

    await eventually(known)
    began = time.monotonic()
    assert (await callgate.post(message)).status == 403
    await vapi.calls[message["message"]["call"]["id"]].ended()
    assert time.monotonic() - began < 3
