"""Vapi's list of calls as it may come: cut pages, malformed elements, an error in the middle."""

import asyncio
from typing import Any

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.service import Start, eventually

CALLS = "GET /call"
PLAN = {"code": "pro", "status": "active"}


async def test_one_malformed_call_hides_no_end_of_another(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Vapi sends one call a page, with junk in it: each end is found, and a condition says so."""
    callgate = await start_replica(callgate_call_watch_interval=0.2)
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    vapi.fail(
        CALLS, most=2, insert=(None, 7, {"id": None}, {"id": "c1", "status": {}, "cost": [[]]})
    )
    called = []
    for _ in range(5):
        message = vapi.live_call(number)
        await callgate.post(message)
        called.append(message["message"]["call"]["id"])
    for call_id in called:
        vapi.hang_up(call_id)

    async def ended() -> bool:
        return all([(await callgate.call(call_id))["status"] == "ended" for call_id in called])

    await eventually(ended)

    async def told() -> Any:
        conditions = await callgate.service.use_cases.conditions.read()
        return next((one for one in conditions if one.kind == "list_malformed"), None)

    assert (await eventually(told)).text.startswith("Vapi's lists contain elements")
    vapi.faults.clear()

    async def gone() -> bool:
        return await told() is None

    await eventually(gone)


async def test_an_incomplete_list_of_calls_is_read_again(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """The mark stays, so that calls which the list lacked are compared once it is whole."""
    callgate = await start_replica(callgate_call_watch_interval=0.2)
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    first = vapi.live_call(number)
    await callgate.post(first)
    for _ in range(3):
        await callgate.post(vapi.live_call(number))
    call_id = first["message"]["call"]["id"]
    vapi.fail(CALLS, every=2, status=502)
    vapi.fail(CALLS, most=2)
    vapi.hang_up(call_id)
    pool = callgate.service.pool

    async def gap() -> bool:
        return bool(await pool.fetchval("SELECT gap FROM callgate.call_watch"))

    await eventually(gap)
    mark = await pool.fetchval("SELECT seen_until FROM callgate.call_watch")
    await asyncio.sleep(0.5)
    assert await pool.fetchval("SELECT seen_until FROM callgate.call_watch") == mark
    assert (await callgate.call(call_id))["status"] == "in-progress"
    vapi.faults.clear()

    async def ended() -> bool:
        return bool((await callgate.call(call_id))["status"] == "ended")

    await eventually(ended)


async def test_no_list_from_before_a_reported_end_takes_it_back(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Vapi's answer shows the call as live; by the time that it is compared, the report has come."""
    callgate = await start_replica(callgate_call_watch_interval=0.2)
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message = vapi.live_call(number)
    call = message["message"]["call"]
    assert (await callgate.post(message)).status == 200
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {vapi.api_key}"}
        async with session.get(f"{vapi.base_url}/call", headers=headers) as reply:
            listed = await reply.json()
    assert [one["status"] for one in listed] == ["in-progress"]
    vapi.fail(CALLS, answer=listed)
    vapi.hang_up(call["id"])
    report = {
        **message["message"],
        "type": "end-of-call-report",
        "endedReason": "customer-ended-call",
    }
    assert (await callgate.post({"message": report})).status == 200
    asked = len(vapi.requests(CALLS))

    async def compared() -> bool:
        return len(vapi.requests(CALLS)) > asked + 4

    await eventually(compared)
    assert (await callgate.call(call["id"]))["status"] == "ended"
