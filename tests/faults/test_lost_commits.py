"""A failover that loses the last commits: what was acknowledged comes back without another message."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually

PLAN = {"code": "pro", "status": "active"}


@pytest.mark.parametrize("blocked", [True, False])
async def test_a_call_whose_row_is_lost_is_recorded_again(
    callgate: Replica, vapi: SandboxVapi, blocked: bool
) -> None:
    """The same decision, and a hang-up until Vapi's record proves the end."""
    owner = await callgate.add_organization()
    if not blocked:
        await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number()["id"]
    await callgate.add_number(owner, number)
    # Vapi accepts the first command without ending the call.
    vapi.fail_next("POST /*/control", lie=True)
    message: Any = vapi.live_call(number)
    call_id = message["message"]["call"]["id"]
    answer = await callgate.post(message)
    assert answer.status == (403 if blocked else 200)
    before = await callgate.call(call_id)
    await callgate.service.pool.execute("DELETE FROM callgate.calls")
    await callgate.service.pool.execute("DELETE FROM callgate.pgqueuer")

    async def stored() -> Any:
        return await callgate.call(call_id)

    again = await eventually(stored, 20)
    assert again["decision"]["id"] == before["decision"]["id"]
    assert (again["blocked"], again["organization_id"]) == (blocked, owner)
    if blocked:
        await vapi.calls[call_id].ended(20)
    else:
        assert vapi.calls[call_id].live


async def test_an_end_that_is_lost_is_recorded_again(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number()["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number)
    call_id = message["message"]["call"]["id"]
    assert (await callgate.post(message)).status == 200
    end = {**message["message"], "type": "end-of-call-report", "cost": 0.25, "durationSeconds": 9}
    assert (await callgate.post({"message": end})).status == 200
    await callgate.service.pool.execute(
        "UPDATE callgate.calls SET ended_at = NULL, status = 'in-progress', cost = NULL"
    )

    async def ended() -> Any:
        row = await callgate.call(call_id)
        return row if row["status"] == "ended" else None

    assert (await eventually(ended, 20))["cost"] == 0.25
