"""A flood of blocked calls takes its share of the budget, and leaves repairs theirs."""

import asyncio
import time

from service.domain.priority import most_at_once
from service.sandbox.server import SandboxVapi
from service.store.reconcile import states
from tests.support.service import Start, eventually

RATE = 5.0
CALLS = 50


def requests_since(vapi: SandboxVapi, began: float) -> int:
    """Requests to Vapi's API; commands to control URLs are none."""
    return sum(
        request.at >= began and not request.path.endswith("/control") for request in vapi.requests()
    )


async def test_a_flood_of_blocked_calls_leaves_repairs_their_share(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Blocked calls that the commands do not end are looked up again and again, within the budget; a
    number that drifts meanwhile is repaired."""
    callgate = await start_replica(
        callgate_vapi_requests_per_second=RATE, callgate_call_watch_interval=0
    )
    owner = await callgate.add_organization()
    blocked, drifted = [vapi.add_number(provider="vapi")["id"] for _ in range(2)]
    await callgate.add_number(owner, blocked)
    number = await callgate.add_number(owner, drifted)
    assert number["sync"]["state"] == "in_sync"
    vapi.fail("POST /*/control", lie=True)
    began = time.monotonic()
    messages = [vapi.live_call(blocked) for _ in range(CALLS)]
    answers = await asyncio.gather(*map(callgate.post, messages))
    assert {answer.status for answer in answers} == {403}
    vapi.edit_number(drifted, server={"url": "https://elsewhere.example.net/hook"})
    pool = callgate.service.pool
    await pool.execute(
        "UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id = $1::uuid",
        number["id"],
    )
    await states.wake(pool)
    url = callgate.service.settings.webhook_url

    async def repaired() -> bool:
        server = (vapi.numbers.find(drifted) or {})["server"]
        return bool(server["url"] == url)

    # Four requests at 15 % of the rate, and the poll of the loop before them.
    await eventually(repaired, 25.0)
    took = time.monotonic() - began
    assert requests_since(vapi, began) <= RATE * took + most_at_once()
    vapi.faults.clear()

    async def over() -> bool:
        return not any(call.live for call in vapi.calls.values())

    await eventually(over, 30.0)
    took = time.monotonic() - began
    assert requests_since(vapi, began) <= RATE * took + most_at_once()
