"""Messages of a known call that name nothing registered belong to the call, as those do that name its
number, unless their secret proves another organization's messages only."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.relay.test_delivery import OwnServer, prepare
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of

PLAN = {"code": "pro", "status": "active"}
BLOCKED = "Closed for now."
PLACES = ("none", "released", "organization deleted")


def bare(first: Any, **fields: Any) -> dict[str, Any]:
    """A later message of a call that names no number and no assistant."""
    return {"message": {**fields, "call": {"id": first["message"]["call"]["id"]}}}


async def add(
    callgate: Replica, vapi: SandboxVapi, name: str, plan: object = None
) -> tuple[str, Any]:
    owner = await callgate.add_organization(name, blocked_message=BLOCKED)
    if plan is not None:
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
    return owner, await callgate.add_number(owner, vapi.add_number(provider="vapi")["id"])


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("place", PLACES)
async def test_a_blocked_call_stays_blocked(
    start_replica: Start, vapi: SandboxVapi, place: str, *, restarted: bool
) -> None:
    callgate = await start_replica()
    owner, number = await add(callgate, vapi, "Tailor")
    vapi.fail("POST */control", lie=True)
    first = vapi.live_call(number["vapi_phone_number_id"])
    known = (await callgate.post(first)).json["decision_id"]
    later = bare(first, type="speech-update", status="started")
    asking = bare(first, type="assistant-request")
    if place != "none":
        assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
        later["message"]["call"] = asking["message"]["call"] = first["message"]["call"]
    if place == "organization deleted":
        assert (await callgate.api("DELETE", f"/organizations/{owner}")).status == 204

    async def is_known_everywhere() -> bool:
        directory = callgate.service.access.gate.directory
        return place == "none" or number["vapi_phone_number_id"] not in directory.numbers

    await eventually(is_known_everywhere)
    if restarted:
        callgate = await start_replica()
    answer = await callgate.post(later)
    told = answer.json.get("reason"), answer.json.get("decision_id")
    assert (answer.status, *told) == (403, "no_plan_or_trial", known)
    said = (await callgate.post(asking)).json["error"]
    assert said == BLOCKED or place == "organization deleted"
    assert "not set up" not in said


async def test_those_of_a_granted_call_reach_its_server(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    own = OwnServer()
    runner = await own.start()
    callgate, number_id = await prepare(start_replica, vapi, own)
    first = vapi.live_call(number_id)
    assert (await callgate.post(first)).status == 200
    answer = await callgate.post(bare(first, type="tool-calls"))
    assert answer.json == {"results": [{"toolCallId": "1"}]}
    await callgate.post(bare(first, type="end-of-call-report", durationSeconds=3))

    async def got_report() -> bool:
        return any(one["message"]["type"] == "end-of-call-report" for one, _ in own.got)

    await eventually(got_report)
    await runner.cleanup()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_claim_does_not_end_the_call_of_another_organization(
    start_replica: Start, vapi: SandboxVapi, *, restarted: bool
) -> None:
    callgate = await start_replica()
    paying, number = await add(callgate, vapi, "Bakery", PLAN)
    rival, other = await add(callgate, vapi, "Tailor", PLAN)
    vapi.fail("GET /call/*", status=500)
    first = vapi.live_call(number["vapi_phone_number_id"])
    call_id = first["message"]["call"]["id"]
    await callgate.post(first, secret=secret_of(paying))
    claim = bare(first, type="status-update", status="in-progress")
    claim["message"]["call"]["phoneNumberId"] = other["vapi_phone_number_id"]
    assert (await callgate.post(claim, secret=secret_of(rival))).status == 200
    if restarted:
        callgate = await start_replica()
    report = bare(first, type="end-of-call-report", cost=0.5, durationSeconds=1)
    await callgate.post(report, secret=secret_of(rival))
    call = await callgate.call(call_id)
    assert (call["status"], call["ended_at"]) == ("in-progress", None)
    for secret in (secret_of(paying), SECRET):
        await callgate.post(report, secret=secret)
        assert (await callgate.call(call_id))["status"] == "ended"
