"""The gate end to end: a call without access is refused, recorded and hung up; one with it passes."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
import structlog

from service.access.first_message import BLOCKED, HANGING_UP
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually

PLAN = {"code": "pro", "status": "active"}


def call_id_of(message: dict[str, Any]) -> str:
    return str(message["message"]["call"]["id"])


async def with_number(callgate: Replica, vapi: SandboxVapi, **fields: object) -> tuple[str, str]:
    """An organization without access and its number at Vapi: their ids."""
    organization_id = await callgate.add_organization()
    number_id = vapi.add_number(provider="vapi", assistantId=vapi.add_assistant(name="A")["id"])[
        "id"
    ]
    await callgate.add_number(organization_id, number_id, **fields)
    return organization_id, number_id


async def test_the_mission(callgate: Replica, vapi: SandboxVapi) -> None:
    """Remove the plan and call the number: both log lines, the call `failed` with its reason, hung up.

    Pay again, and the next call passes.
    """
    organization_id, number_id = await with_number(callgate, vapi)
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    assert (await callgate.post(vapi.live_call(number_id))).status == 200
    await callgate.api("DELETE", f"/organizations/{organization_id}/plan")
    message = vapi.live_call(number_id)
    with structlog.testing.capture_logs() as logs:
        answer = await callgate.post(message)
        replied_at = time.monotonic()
        assert answer.status == 403
        await eventually(lambda: asyncio.sleep(0, vapi.hangups))
        print(f"hang-up posted {1000 * (time.monotonic() - replied_at):.0f} ms after the reply")
    call_id = call_id_of(message)
    assert answer.json["reason"] == "no_plan_or_trial"
    events = [entry["event"] for entry in logs]
    assert events.count(BLOCKED) == 1
    assert events.count(HANGING_UP) == 1
    assert events.index(BLOCKED) < events.index(HANGING_UP)
    assert not vapi.calls[call_id].live

    async def confirmed() -> Any:
        call = await callgate.call(call_id)
        return call if call["hangup"]["state"] == "confirmed" else None

    call = await eventually(confirmed)
    assert call["status"] == "failed"
    assert call["blocked"] is True
    assert call["reason"] == "no_plan_or_trial"
    assert call["decision"]["id"] == answer.json["decision_id"]
    assert [entry["policy"] for entry in call["decision"]["trace"]] == [
        "admin_override",
        "plan",
        "trial",
    ]
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    assert (await callgate.post(vapi.live_call(number_id))).status == 200


async def test_every_later_message_of_a_blocked_call_is_refused_alike(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization_id, number_id = await with_number(callgate, vapi)
    message = vapi.live_call(number_id)
    first = await callgate.post(message)
    # Paid in the middle: the decision of this call stands, the next call is another one.
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    for kind in ("speech-update", "conversation-update", "tool-calls"):
        message["message"]["type"] = kind
        answer = await callgate.post(message)
        assert answer.status == 403
        assert answer.json["decision_id"] == first.json["decision_id"]


async def test_an_assistant_request_is_refused_in_words(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization_id = await callgate.add_organization(blocked_message="Sorry, we are closed.")
    number_id = vapi.add_number(provider="twilio", number="+15550100001")["id"]
    await callgate.add_number(organization_id, number_id)
    call = vapi.place_call(number_id)
    await vapi.settled([call])
    assert "Sorry, we are closed." in call.heard
    recorded = await callgate.call(call.id)
    assert recorded["gate"] == "request"
    assert recorded["status"] == "failed"


async def test_a_granted_assistant_request_is_answered_with_what_answers(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant_id = vapi.add_assistant(name="Order taker")["id"]
    organization_id = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(organization_id, number_id, answer_with={"assistantId": assistant_id})
    answer = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert (answer.status, answer.json) == (200, {"assistantId": assistant_id})


async def test_a_number_that_nobody_registered_is_recorded_once_and_left_alone(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi", assistantId=vapi.add_assistant(name="A")["id"])[
        "id"
    ]
    message = vapi.live_call(number_id)
    for _ in range(3):
        answer = await callgate.post(message)
        assert (answer.status, answer.json["code"]) == (404, "unknown_phone_number")
    recorded = await callgate.call(call_id_of(message))
    assert recorded["reason"] == "unknown_phone_number"
    assert recorded["hangup"] is None
    assert recorded["blocked"] is False
    assert vapi.hangups == []
    request = vapi.live_call(vapi.add_number(provider="vapi")["id"], kind="assistant-request")
    answer = await callgate.post(request)
    assert answer.status == 200
    assert set(answer.json) == {"error"}


async def test_a_web_call_is_found_by_its_registered_assistant(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant_id = vapi.add_assistant(name="Web")["id"]
    await callgate.add_organization(assistant_ids=[assistant_id])
    message = vapi.live_call(None, type="webCall", assistant_id=assistant_id, caller=None)
    assert (await callgate.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id_of(message)].live))


async def test_caller_controlled_metadata_never_names_the_organization(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization_id, number_id = await with_number(callgate, vapi)
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    message = vapi.live_call(vapi.add_number(provider="vapi")["id"])
    message["message"]["call"]["metadata"] = {
        "organization_id": organization_id,
        "phoneNumberId": number_id,
    }
    assert (await callgate.post(message)).status == 404


async def test_copies_over_two_replicas_make_one_decision_one_record_one_hangup(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one, two = await start_replica(), await start_replica()
    _, number_id = await with_number(one, vapi)

    async def known() -> bool:
        return number_id in two.service.access.directory.numbers

    await eventually(known)
    message = vapi.live_call(number_id)
    with structlog.testing.capture_logs() as logs:
        answers = await asyncio.gather(
            *((one, two)[index % 2].post(message) for index in range(100))
        )
        await eventually(lambda: asyncio.sleep(0, vapi.hangups))
        await asyncio.sleep(1.5)
    assert {answer.status for answer in answers} == {403}
    assert len({answer.json["decision_id"] for answer in answers}) == 1
    counts = Counter(entry["event"] for entry in logs)
    assert (counts[BLOCKED], counts[HANGING_UP]) == (1, 1)
    assert len(vapi.hangups) == 1
    assert await one.call(call_id_of(message)) is not None


async def test_the_end_may_come_before_the_beginning(callgate: Replica, vapi: SandboxVapi) -> None:
    """Reordered: a late in-progress message must not hang up, or reopen, a call that is over."""
    _, number_id = await with_number(callgate, vapi)
    message = vapi.live_call(number_id)
    vapi.hang_up(call_id_of(message))
    ended = {"message": {**message["message"], "type": "end-of-call-report", "cost": 0.05}}
    ended["message"]["durationSeconds"] = 12.5
    ended["message"]["endedReason"] = "customer-ended-call"
    assert (await callgate.post(ended)).status == 403
    assert (await callgate.post(message)).status == 403

    async def confirmed() -> Any:
        call = await callgate.call(call_id_of(message))
        return call if call["ended_at"] else None

    call = await eventually(confirmed)
    assert call["hangup"] == {"state": "confirmed", "attempts": 0}
    assert vapi.hangups == []


async def test_a_granted_call_is_followed_to_its_end(callgate: Replica, vapi: SandboxVapi) -> None:
    organization_id, number_id = await with_number(callgate, vapi)
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    call = vapi.place_call(number_id, duration=5)
    await vapi.settled([call])
    recorded = await callgate.call(call.id)
    assert (recorded["status"], recorded["blocked"]) == ("ended", False)
    assert recorded["ended_reason"] is not None
    assert recorded["hangup"] is None


@pytest.mark.parametrize(
    "secret", ["", "wrong", "the-webhook-secre", "the-webhook-secret-of-the-tests2", "ü"]
)
async def test_a_wrong_secret_is_refused_before_anything_is_read(
    callgate: Replica, vapi: SandboxVapi, secret: str
) -> None:
    _, number_id = await with_number(callgate, vapi)
    message = vapi.live_call(number_id)
    assert (await callgate.post(message, secret=secret)).status == 401
    assert await callgate.call(call_id_of(message)) is None


async def test_a_call_that_still_talks_is_attacked_again(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """The control host answers 200 and does nothing: verification detects it."""
    _, number_id = await with_number(callgate, vapi)
    vapi.fail_next("POST */control", lie=True)
    message = vapi.live_call(number_id)
    assert (await callgate.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id_of(message)].live))

    async def confirmed() -> Any:
        call = await callgate.call(call_id_of(message))
        return call if call["hangup"]["state"] == "confirmed" else None

    assert (await eventually(confirmed))["hangup"]["attempts"] == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://vapi.ai.evil.example/x/control",
        "https://user:pw@phone.vapi.ai/x/control",
        "http://127.0.0.1:1/control",
    ],
)
async def test_a_hostile_control_url_is_never_connected(
    callgate: Replica, vapi: SandboxVapi, url: str
) -> None:
    """The true one is asked for at Vapi, and the call ends all the same."""
    _, number_id = await with_number(callgate, vapi)
    message = vapi.live_call(number_id)
    message["message"]["call"]["monitor"]["controlUrl"] = url
    with structlog.testing.capture_logs() as logs:
        assert (await callgate.post(message)).status == 403
        await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id_of(message)].live))
    assert "call.control_url_refused" in [entry["event"] for entry in logs]
    assert url not in repr(logs)
