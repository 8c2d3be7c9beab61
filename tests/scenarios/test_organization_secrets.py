"""The secret of one organization proves its own messages, and no other organization's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of

PLAN = {"code": "pro", "status": "active"}


@dataclass
class Two:
    """Two organizations with a number and an assistant each; the second has no access."""

    callgate: Replica
    vapi: SandboxVapi
    paying: str
    blocked: str
    paying_number: str
    blocked_number: str
    assistant: str


@pytest.fixture
async def two(callgate: Replica, vapi: SandboxVapi) -> Two:
    assistant = vapi.add_assistant()["id"]
    paying = await callgate.add_organization("Bakery")
    blocked = await callgate.add_organization("Tailor", assistant_ids=[assistant])
    await callgate.api("PUT", f"/organizations/{paying}/plan", PLAN)
    numbers = [vapi.add_number(provider="vapi")["id"] for _ in range(2)]
    for owner, number in zip((paying, blocked), numbers, strict=True):
        await callgate.add_number(owner, number)
    return Two(callgate, vapi, paying, blocked, numbers[0], numbers[1], assistant)


async def recorded(callgate: Replica) -> int:
    return len((await callgate.api("GET", "/calls")).json["items"])


def carried(vapi: SandboxVapi, number_id: str) -> str:
    return str((vapi.numbers.find(number_id) or {})["server"]["headers"]["X-Vapi-Secret"])


async def test_each_number_carries_its_organizations_own(two: Two) -> None:
    assert carried(two.vapi, two.paying_number) == secret_of(two.paying)
    assert carried(two.vapi, two.blocked_number) == secret_of(two.blocked)
    allowed = two.vapi.live_call(two.paying_number)
    assert (await two.callgate.post(allowed, secret=secret_of(two.paying))).status == 200
    denied = two.vapi.live_call(two.blocked_number)
    assert (await two.callgate.post(denied, secret=secret_of(two.blocked))).status == 403


def by_number(two: Two) -> Any:
    return two.vapi.live_call(two.blocked_number)


def by_second_id(two: Two) -> Any:
    """The own number first, the other one where an older message carries it."""
    message = two.vapi.live_call(two.paying_number)
    message["message"]["phoneNumber"] = {"id": two.blocked_number}
    return message


def by_assistant(two: Two) -> Any:
    call = {"id": "a-web-call", "type": "webCall", "assistantId": two.assistant}
    return {"message": {"type": "status-update", "status": "in-progress", "call": call}}


def by_asking(two: Two) -> Any:
    return two.vapi.live_call(two.blocked_number, kind="assistant-request")


def by_campaign(two: Two) -> Any:
    message = {"type": "campaign.predial", "phoneNumber": {"id": two.blocked_number}}
    return {"message": message}


@pytest.mark.parametrize("forge", [by_number, by_second_id, by_assistant, by_asking, by_campaign])
async def test_another_organizations_messages_are_refused_and_not_recorded(
    two: Two, forge: Callable[[Two], Any]
) -> None:
    answer = await two.callgate.post(forge(two), secret=secret_of(two.paying))
    assert (answer.status, answer.json["code"]) == (401, "wrong_organization")
    assert await recorded(two.callgate) == 0
    assert two.vapi.hangups == []
    async with two.callgate.session.get(f"{two.callgate.url}/metrics") as response:
        metrics = await response.text()
    assert 'callgate_webhook_messages_total{status="401",type="none"} 1.0' in metrics
    assert (await two.callgate.post(forge(two))).status != 401


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_call_of_another_organization_is_not_ended_by_its_id_alone(
    two: Two, start_replica: Start, restarted: bool
) -> None:
    message = two.vapi.live_call(two.blocked_number)
    call_id = message["message"]["call"]["id"]
    assert (await two.callgate.post(message, secret=secret_of(two.blocked))).status == 403
    callgate = await start_replica() if restarted else two.callgate
    before = await callgate.call(call_id)
    report = {"type": "end-of-call-report", "call": {"id": call_id}, "cost": 0.5}
    answer = await callgate.post({"message": report}, secret=secret_of(two.paying))
    assert (answer.status, answer.json["code"]) == (401, "wrong_organization")
    after = await callgate.call(call_id)
    assert (after["ended_at"], after["cost"]) == (before["ended_at"], before["cost"])
    own = await callgate.post({"message": report}, secret=secret_of(two.blocked))
    assert own.status != 401


async def test_the_same_as_bearer(two: Two) -> None:
    for owner, wanted in ((two.blocked, 403), (two.paying, 401)):
        headers = {"Authorization": f"Bearer {secret_of(owner)}"}
        url = f"{two.callgate.url}/api/vapi/webhook"
        body = two.vapi.live_call(two.blocked_number)
        async with two.callgate.session.post(url, json=body, headers=headers) as response:
            assert response.status == wanted


async def test_the_master_may_be_refused(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(callgate_accept_master_secret=False)
    owner, number = await callgate.add_organization(), vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message = vapi.live_call(number)
    assert (await callgate.post(message, secret=SECRET)).status == 401
    assert (await callgate.post(message, secret=secret_of(owner))).status == 403
    assert (await callgate.post(message, secret=secret_of(owner, "another"))).status == 401


async def test_the_secret_follows_a_number_to_another_organization(two: Two) -> None:
    path = f"/phone-numbers?organization_id={two.blocked}"
    number = (await two.callgate.api("GET", path)).json["items"][0]
    answer = await two.callgate.api(
        "PATCH", f"/phone-numbers/{number['id']}", {"organization_id": two.paying}
    )
    assert answer.status == 200

    async def followed() -> bool:
        return carried(two.vapi, two.blocked_number) == secret_of(two.paying)

    await eventually(followed)
    message = two.vapi.live_call(two.blocked_number)
    assert (await two.callgate.post(message, secret=secret_of(two.blocked))).status == 401
    assert (await two.callgate.post(message, secret=secret_of(two.paying))).status == 200


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("sender", ["former", "present"])
async def test_a_call_outlives_the_move_of_its_number(
    two: Two, start_replica: Start, sender: str, *, restarted: bool
) -> None:
    """Its messages may come with the secret that the number had, or with the one that it has now."""
    callgate, first = two.callgate, two.vapi.live_call(two.paying_number)
    assert (await callgate.post(first, secret=secret_of(two.paying))).status == 200
    number = await registered(two)
    move = {"organization_id": two.blocked}
    assert (await callgate.api("PATCH", f"/phone-numbers/{number}", move)).status == 200
    directory = callgate.service.access.gate.directory

    async def moved() -> bool:
        return str(directory.numbers[two.paying_number].organization_id) == two.blocked

    await eventually(moved)
    if restarted:
        callgate = await start_replica()
    secret = secret_of(two.paying if sender == "former" else two.blocked)
    report = {"type": "end-of-call-report", "durationSeconds": 1, "call": first["message"]["call"]}
    assert (await callgate.post({"message": report}, secret=secret)).status == 200
    call = await callgate.call(first["message"]["call"]["id"])
    assert (call["status"], call["organization_id"]) == ("ended", two.paying)


async def registered(two: Two) -> str:
    """The id of the paying organization's number."""
    path = f"/phone-numbers?organization_id={two.paying}"
    return str((await two.callgate.api("GET", path)).json["items"][0]["id"])
