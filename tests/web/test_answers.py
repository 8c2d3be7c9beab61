"""What answers a granted call, and a campaign: by the organization's choices, checked against Vapi's
published spec."""

from typing import Any

import pytest

from service.domain.handling import Handling
from service.sandbox.server import SandboxVapi
from service.vapi import replies
from service.vapi.replies import Overrides
from tests.support.service import Replica
from tests.support.settings import secret_of
from tests.support.vapi_spec import spec_errors

PLAN = {"code": "pro", "status": "active"}


async def paying(callgate: Replica, vapi: SandboxVapi, **handling: object) -> tuple[str, str, str]:
    """A paying organization, its number with a request gate, and what answers it."""
    owner = await callgate.add_organization(handling=handling)
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    assistant = vapi.add_assistant(name="Order taker", server={"url": "https://crm.example.net"})[
        "id"
    ]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, number_id, gate="request")
    return owner, number_id, assistant


async def ask(callgate: Replica, vapi: SandboxVapi, number_id: str) -> Any:
    message = vapi.live_call(number_id, kind="assistant-request")
    answer = await callgate.post(message)
    assert answer.status == 200
    return answer.json, message["message"]["call"]["id"]


async def test_without_choices_the_answer_is_the_assistant_alone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id, assistant = await paying(callgate, vapi)
    answer, _ = await ask(callgate, vapi, number_id)
    assert answer == {"assistantId": assistant}


async def test_the_first_call_after_adding_a_number_is_answered_without_a_notification(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    await callgate.service.background.stop("directory_feed")
    _, number_id, assistant = await paying(callgate, vapi)
    answer, _ = await ask(callgate, vapi, number_id)
    assert answer == {"assistantId": assistant}


async def test_a_granted_call_carries_what_the_organization_wants(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id, assistant = await paying(
        callgate, vapi, decision_metadata=True, take_events=True, max_duration_seconds=600
    )
    answer, call_id = await ask(callgate, vapi, number_id)
    decision_id = (await callgate.call(call_id))["decision"]["id"]
    overrides = answer["assistantOverrides"]
    assert answer["assistantId"] == assistant
    assert overrides["metadata"] == {"callgate_decision_id": decision_id}
    assert overrides["maxDurationSeconds"] == 600
    assert overrides["server"]["url"] == f"{callgate.url}/api/vapi/webhook"
    assert spec_errors("Server", overrides["server"]) == []
    assert overrides["server"]["headers"] == {"X-Vapi-Secret": secret_of(owner)}


async def test_the_events_of_such_a_call_come_to_us_although_the_assistant_has_its_own_server(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id, _ = await paying(callgate, vapi, take_events=True)
    call = vapi.place_call(number_id, duration=3)
    await call.settled()
    stored = await callgate.call(call.id)
    assert (stored["status"], stored["blocked"], stored["gate"]) == ("ended", False, "request")
    assert stored["ended_reason"] is not None


def test_overrides_keep_what_is_there() -> None:
    own = {"server": {"url": "https://x.example.net"}, "metadata": {"theirs": 1}, "voice": {}}
    answer = {"assistantId": "a", "assistantOverrides": own}
    made: Any = replies.with_overrides(answer, Overrides("d-1"))
    assert made["assistantOverrides"] == {
        **own,
        "metadata": {"theirs": 1, "callgate_decision_id": "d-1"},
    }
    assert replies.with_overrides(answer, Overrides()) == answer
    squad: Any = replies.with_overrides({"squadId": "s"}, Overrides(max_duration_seconds=60))
    assert squad == {"squadId": "s", "squadOverrides": {"maxDurationSeconds": 60}}
    for untouched in (
        {"workflowId": "w"},
        {"error": "no", "assistantId": "a"},
        {"destination": {"type": "number"}, "assistantId": "a"},
    ):
        assert replies.with_overrides(untouched, Overrides("d-1")) == untouched
    odd: Any = replies.with_overrides({"assistantId": "a", "assistantOverrides": 7}, Overrides("d"))
    assert odd["assistantOverrides"] == {"metadata": {"callgate_decision_id": "d"}}


def test_choices_of_a_newer_version_are_left_out() -> None:
    assert Handling.parse({"ring_gate": True, "of_tomorrow": 1}) == Handling(ring_gate=True)


@pytest.mark.parametrize(("plan", "eligible"), [(PLAN, True), (None, False)])
async def test_a_campaign_asks_before_it_dials(
    callgate: Replica, vapi: SandboxVapi, plan: object, eligible: bool
) -> None:
    owner = await callgate.add_organization()
    if plan:
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    message = {"type": "campaign.predial", "phoneNumber": {"id": number_id}, "customer": {}}
    answer = await callgate.post({"message": message})
    assert (answer.status, answer.json) == (200, {"eligible": eligible})
    assert (await callgate.api("GET", "/calls")).json["items"] == []


@pytest.mark.parametrize(("plan", "eligible"), [(PLAN, True), (None, False)])
async def test_a_campaign_that_names_no_number_is_looked_up_once(
    callgate: Replica, vapi: SandboxVapi, plan: object, eligible: bool
) -> None:
    owner = await callgate.add_organization()
    if plan:
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    campaign = vapi.add_campaign(phoneNumberId=number_id)["id"]
    for _ in range(3):
        message = {"type": "campaign.predial", "campaignId": campaign, "contact": {}}
        answer = await callgate.post({"message": message})
        assert (answer.status, answer.json) == (200, {"eligible": eligible})
    assert len(vapi.requests("GET /campaign/*")) == 1


async def test_nobodys_campaign_is_not_eligible(callgate: Replica) -> None:
    message = {"type": "campaign.predial", "phoneNumber": {"id": "nobodys"}}
    answer = await callgate.post({"message": message})
    assert (answer.status, answer.json) == (200, {"eligible": False})


async def test_a_campaign_of_which_nobody_can_tell_the_number_may_dial(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Its calls are stopped by their first event; a paying client's campaign must not be."""
    for message in (
        {"type": "campaign.predial"},
        {"type": "campaign.predial", "campaignId": "gone"},
        {"type": "campaign.predial", "campaignId": 7},
    ):
        answer = await callgate.post({"message": message})
        assert (answer.status, answer.json) == (200, {"eligible": True})
    await vapi.down()
    message = {"type": "campaign.predial", "campaignId": "of-whom"}
    assert (await callgate.post({"message": message})).json == {"eligible": True}


async def test_a_blocked_caller_hears_the_message_for_the_reason(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    messages = [
        {"text": "{organization}: {reason}.", "reason": "plan_ended"},
        {"text": "Closed.", "reason": None},
    ]
    owner = await callgate.add_organization(blocked_messages=messages)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    answer, _ = await ask(callgate, vapi, number_id)
    assert answer == {"error": "Closed."}
    await callgate.api(
        "PUT",
        f"/organizations/{owner}/plan",
        {"code": "pro", "status": "canceled", "current_period_end": "2020-01-01T00:00:00Z"},
    )
    answer, _ = await ask(callgate, vapi, number_id)
    assert answer == {"error": "Bakery: the plan has ended."}


@pytest.mark.parametrize(
    "fields",
    [
        {"blocked_message": "Closed since {day}."},
        {"blocked_messages": [{"text": "{ reason }"}]},
        {"blocked_messages": [{"text": "x" * 1001}]},
    ],
)
async def test_a_text_that_would_be_spoken_with_braces_is_refused(
    callgate: Replica, fields: dict[str, object]
) -> None:
    answer = await callgate.api("POST", "/organizations", {"name": "Bakery", **fields})
    assert (answer.status, answer.json["code"]) == (422, "invalid_body")
    if "x" not in str(fields):
        assert "{organization}, {reason}, {date}, {until}" in str(answer.json)
