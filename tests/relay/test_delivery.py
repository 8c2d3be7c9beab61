"""An organization's own server receives its granted calls' messages, and answers requests of Vapi."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually, unused_port
from tests.support.settings import SECRET
from tests.support.visiting import visiting

PLAN = {"code": "pro", "status": "active"}


class OwnServer:
    """The organization's server: it keeps the requests it received."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, dict[str, str]]] = []
        self.answer: web.StreamResponse | dict[str, Any] = {"results": [{"toolCallId": "1"}]}
        self.port = unused_port()
        self.stall = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append((await request.json(), dict(request.headers)))
        await asyncio.sleep(self.stall)
        if isinstance(self.answer, dict):
            return web.json_response(self.answer)
        return self.answer

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/hook", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner


async def prepare(
    start_replica: Start, vapi: SandboxVapi, own: OwnServer, **fields: object
) -> tuple[Replica, str]:
    """A replica with a paying organization that has a server of its own."""
    callgate = await start_replica(callgate_relay_hosts="127.0.0.1")
    organization_id = await callgate.add_organization(
        "Bakery", forward_url=f"http://127.0.0.1:{own.port}/hook", **fields
    )
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(organization_id, number_id)
    return callgate, number_id


async def test_a_granted_call_is_relayed(start_replica: Start, vapi: SandboxVapi) -> None:
    own = OwnServer()
    runner = await own.start()
    callgate, number_id = await prepare(start_replica, vapi, own)
    message = vapi.live_call(number_id)
    assert (await callgate.post(message)).json == {}
    await eventually(lambda: asyncio.sleep(0, own.got))
    body, headers = own.got[0]
    del message["message"]["call"]["monitor"]["controlUrl"]
    message["message"]["call"]["monitor"].pop("listenUrl", None)
    assert body == message
    assert headers["X-Callgate-Message-Type"] == "status-update"
    call = await callgate.call(message["message"]["call"]["id"])
    assert headers["X-Callgate-Decision-Id"] == call["decision"]["id"]
    message["message"]["type"] = "tool-calls"
    answer = await callgate.post(message)
    assert (answer.status, answer.json) == (200, own.answer)
    own.answer = {"assistantId": "theirs"}
    asked = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert asked.json == {"assistantId": "theirs"}
    await runner.cleanup()


async def test_no_header_of_the_sender_is_passed_on_but_its_content_type(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    own = OwnServer()
    runner = await own.start()
    callgate, number_id = await prepare(start_replica, vapi, own)
    message = vapi.live_call(number_id)
    message["message"]["type"] = "tool-calls"
    sent = {
        "X-Vapi-Secret": SECRET,
        "Authorization": f"Bearer {SECRET}",
        "Cookie": "a=b",
        "X-Call-Id": "1",
        "X-Signature": "2",
        "Content-Type": "application/json; charset=utf-8",
    }
    url = f"{callgate.url}/api/vapi/webhook"
    async with callgate.session.post(url, json=message, headers=sent) as response:
        assert response.status == 200
    names = {name.lower() for name in own.got[0][1]}
    assert names == {
        *("host", "accept", "accept-encoding", "user-agent", "content-length", "content-type"),
        *("x-callgate-message-type", "x-callgate-decision-id", "x-callgate-relay"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert own.got[0][1]["Content-Type"] == "application/json; charset=utf-8"
    await runner.cleanup()


async def test_their_trouble_is_not_ours(start_replica: Start, vapi: SandboxVapi) -> None:
    own = OwnServer()
    callgate, number_id = await prepare(start_replica, vapi, own)
    message = vapi.live_call(number_id)
    message["message"]["type"] = "tool-calls"
    answer = await callgate.post(message)
    assert (answer.status, answer.json) == (200, {})
    asked = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert asked.status == 200
    assert set(asked.json) == {"error"}


async def test_a_slow_server_does_not_keep_a_caller_waiting(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    own = OwnServer()
    own.answer, own.stall = {"assistantId": "theirs"}, 10.0
    runner = await own.start()
    callgate, number_id = await prepare(start_replica, vapi, own)
    began = time.monotonic()
    asked = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert time.monotonic() - began < 2.5
    assert set(asked.json) == {"error"}
    await runner.cleanup()


async def test_their_assistant_carries_what_the_organization_wants(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    own = OwnServer()
    runner = await own.start()
    wanted = {"decision_metadata": True, "max_duration_seconds": 60}
    callgate, number_id = await prepare(start_replica, vapi, own, handling=wanted)
    own.answer = {"assistantId": "theirs", "assistantOverrides": {"metadata": {"order": 7}}}
    message = vapi.live_call(number_id, kind="assistant-request")
    asked = await callgate.post(message)
    call = await callgate.call(message["message"]["call"]["id"])
    assert asked.json == {
        "assistantId": "theirs",
        "assistantOverrides": {
            "metadata": {"order": 7, "callgate_decision_id": call["decision"]["id"]},
            "maxDurationSeconds": 60,
        },
    }
    own.answer = {"error": "We are on holiday."}
    asked = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert asked.json == own.answer
    await runner.cleanup()


@pytest.mark.parametrize(
    ("theirs", "eligible"), [({"eligible": False}, False), ({"eligible": "no"}, True), ({}, True)]
)
async def test_their_server_may_keep_a_campaign_from_dialling(
    start_replica: Start, vapi: SandboxVapi, theirs: dict[str, Any], eligible: bool
) -> None:
    own = OwnServer()
    runner = await own.start()
    callgate, number_id = await prepare(start_replica, vapi, own)
    own.answer = theirs
    message = {"type": "campaign.predial", "phoneNumber": {"id": number_id}}
    assert (await callgate.post({"message": message})).json == {"eligible": eligible}
    assert own.got[0][0] == {"message": message}
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        metrics = await response.text()
    assert f'callgate_campaign_answers_total{{eligible="{str(eligible).lower()}"}} 1.0' in metrics
    await runner.cleanup()


async def test_a_blocked_call_is_not_relayed(start_replica: Start, vapi: SandboxVapi) -> None:
    own = OwnServer()
    runner = await own.start()
    callgate = await start_replica(callgate_relay_hosts="127.0.0.1")
    organization_id = await callgate.add_organization(
        forward_url=f"http://127.0.0.1:{own.port}/hook"
    )
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(organization_id, number_id)
    assert (await callgate.post(vapi.live_call(number_id))).status == 403
    await asyncio.sleep(0.2)
    assert own.got == []
    await runner.cleanup()


async def test_a_host_that_is_no_longer_listed_is_never_connected(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Stored while it was allowed; a replica without the setting must not connect to it."""
    own = OwnServer()
    runner = await own.start()
    _, number_id = await prepare(start_replica, vapi, own)
    strict = await start_replica()
    message = vapi.live_call(number_id)
    message["message"]["type"] = "tool-calls"
    assert (await strict.post(message)).json == {}
    assert own.got == []
    await runner.cleanup()


async def test_a_server_that_takes_no_messages_is_a_condition(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    own = OwnServer()
    callgate, number_id = await prepare(start_replica, vapi, own)
    for _ in range(10):
        message = vapi.live_call(number_id)
        message["message"]["type"] = "tool-calls"
        assert (await callgate.post(message)).json == {}
    conditions = await callgate.service.use_cases.conditions.read()
    found = [one.text for one in conditions if one.kind == "relay_failing"]
    assert found == ["Servers of organizations do not take relayed messages: Bakery."]
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        metrics = await response.text()
    assert "callgate_relay_failing_servers 1.0" in metrics
    assert 'callgate_relay_answers_total{outcome="failed"} 10.0' in metrics
    assert "Bakery" not in metrics
    owner = next(iter(callgate.service.access.directory.entries))
    async with visiting(callgate) as ada:
        page = (await ada.get(f"/organizations/{owner}")).text
    assert "The connection was refused or timed out." in page
