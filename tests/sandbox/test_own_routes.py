"""`/_sandbox/…`: for use with curl."""

import pytest

from service.sandbox import samples
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi


async def test_a_call_is_started_watched_and_hung_up(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    samples.seed(vapi)
    body = {"phoneNumberId": samples.PAYING_NUMBER, "caller": "+15550100142", "duration": 60}
    made = await vapi_api.ask("POST", "/_sandbox/calls", body, key="none")
    assert made.status == 201
    path = f"/_sandbox/calls/{made.json['id']}"
    assert (await vapi_api.ask("POST", f"{path}/hangup")).json["status"] == "ended"
    watched = (await vapi_api.ask("GET", path)).json
    assert watched["endedReason"] == "customer-ended-call"
    assert watched["heard"] == watched["deliveries"] == []
    overview = (await vapi_api.ask("GET", "/_sandbox")).json
    assert (overview["calls"], overview["liveCalls"]) == (1, [])
    assert (overview["assistants"], overview["squads"], overview["workflows"]) == (2, 0, 0)
    assert vapi.requests() == []


async def test_a_live_call_comes_with_its_first_message(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    samples.seed(vapi)
    body = {"phoneNumberId": samples.BLOCKED_NUMBER}
    message = (await vapi_api.ask("POST", "/_sandbox/live-calls", body)).json["message"]
    assert message["status"] == "in-progress"
    assert vapi.calls[message["call"]["id"]].live


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phoneNumberId": "none"},
        {"phoneNumberId": 7},
        {"color": "red"},
        {"phoneNumberId": samples.PAYING_NUMBER, "type": "fax"},
        {"phoneNumberId": samples.PAYING_NUMBER, "assistantId": "none"},
        {"phoneNumberId": samples.PAYING_NUMBER, "duration": True},
    ],
)
async def test_a_call_that_cannot_be_is_refused(
    vapi: SandboxVapi, vapi_api: VapiApi, body: object
) -> None:
    samples.seed(vapi)
    assert (await vapi_api.ask("POST", "/_sandbox/calls", body)).status == 400
    assert vapi.calls == {}
    assert (await vapi_api.ask("GET", "/_sandbox/calls/none")).status == 404


async def test_faults_are_ordered_seen_and_cleared(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    fault = {"pattern": "GET /phone-number", "status": 503, "times": 1}
    assert (await vapi_api.ask("POST", "/_sandbox/faults", fault)).status == 201
    assert (await vapi_api.ask("GET", "/phone-number")).status == 503
    assert (await vapi_api.ask("GET", "/_sandbox/faults")).json == []
    assert (await vapi_api.ask("POST", "/_sandbox/faults", {"status": 503})).status == 400
    await vapi_api.ask("POST", "/_sandbox/faults", fault | {"times": None})
    assert (await vapi_api.ask("DELETE", "/_sandbox/faults")).json == []
    assert (await vapi_api.ask("GET", "/phone-number")).status == 200
    logged = (await vapi_api.ask("GET", "/_sandbox/requests")).json
    assert [item["status"] for item in logged] == [503, 200]
