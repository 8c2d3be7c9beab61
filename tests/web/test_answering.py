"""The answers of an organization's own server, as Vapi gets them; and what it gets instead."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from service.domain.network.forward_urls import ForwardUrls
from service.relay.headers import LOOP, RELAY_HEADER
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.web.answering import UNANSWERED_MESSAGE
from tests.support.client_servers import client_server
from tests.support.own_servers import PLAN, OwnServer, connect, report, start
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET

FALLBACK = {"destination": {"type": "number", "number": "+15550100200"}}


async def post_raw(callgate: Replica, message: Any) -> tuple[int, str, bytes]:
    url = f"{callgate.url}/api/vapi/webhook"
    headers = {"X-Vapi-Secret": SECRET}
    async with callgate.session.post(url, json=message, headers=headers) as response:
        return response.status, response.headers.get("Content-Type", ""), await response.read()


@pytest.mark.parametrize(
    "given",
    [
        (200, "application/json", b'{ "results": [1.0, 1e2] }\n'),
        (201, "text/plain; charset=utf-8", "Grüße".encode()),
        (404, "application/problem+json", b'{"title": "no such tool"}'),
        (200, "application/octet-stream", bytes(range(256))),
        (204, "", b""),
    ],
)
@pytest.mark.parametrize("kind", ["tool-calls", "a-type-of-tomorrow"])
async def test_an_answer_is_passed_through_whole(
    start_replica: Start, vapi: SandboxVapi, kind: str, given: tuple[int, str, bytes]
) -> None:
    status, content_type, body = given
    callgate = await start(start_replica)

    def answer(_received: object) -> web.Response:
        headers = {"Content-Type": content_type} if content_type else {}
        return web.Response(status=status, body=body or None, headers=headers)

    own = OwnServer(answer=answer)
    async with own.running():
        _, number_id = await connect(callgate, vapi, own)
        message = vapi.live_call(number_id)
        message["message"]["type"] = kind
        found = await post_raw(callgate, message)
        assert (found[0], found[2]) == (status, body)
        assert not content_type or found[1] == content_type


@pytest.mark.parametrize(
    "kind", ["never", "fifty_megabytes", "close_at_once", "redirect", "one_byte_a_second"]
)
async def test_a_call_goes_on_whatever_the_server_does(
    start_replica: Start, vapi: SandboxVapi, kind: str
) -> None:
    callgate = await start(start_replica)
    callgate.service.web.webhook.answers.vapi_seconds = 3.0
    async with client_server(kind) as bad, OwnServer().running() as good:
        owner = await callgate.add_organization(
            "Bad", forward_url=bad.url, handling={"relay_fallback": FALLBACK}
        )
        await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
        number_id = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number_id)
        _, good_number = await connect(callgate, vapi, good)
        call, other = vapi.live_call(number_id), vapi.live_call(good_number)
        kinds = ("tool-calls", "transfer-destination-request", "status-update", "speech-update")
        asked = [asyncio.create_task(callgate.post(report(call, 1, one))) for one in kinds]
        request = vapi.live_call(number_id, kind="assistant-request")
        asked.append(asyncio.create_task(callgate.post(request)))
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await callgate.post(report(other, 1, "tool-calls"))).status == 200
        assert loop.time() - began < 1.0
        answers = [(answer.status, answer.json) for answer in await asyncio.gather(*asked)]
        assert answers == [(200, {}), (200, FALLBACK), (200, {}), (200, {}), (200, FALLBACK)]

        async def says_so() -> bool:
            status = await callgate.api("GET", f"/organizations/{owner}/relay")
            return status.json["last_error"] is not None

        await eventually(says_so, 15)


@pytest.mark.parametrize(
    "empty", [{}, {"error": ""}, {"error": " "}, {"assistantId": None, "assistantOverrides": {}}]
)
@pytest.mark.parametrize("fallback", [FALLBACK, None])
async def test_no_call_is_answered_with_nothing(
    start_replica: Start, vapi: SandboxVapi, empty: Any, fallback: Any
) -> None:
    """Vapi would speak an error of its own."""
    callgate = await start(start_replica)
    own = OwnServer(answer=lambda _received: web.json_response(empty))
    async with own.running():
        handling = {"relay_fallback": fallback}
        _, number_id = await connect(callgate, vapi, own, handling=handling)
        answer = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
        assert own.received
        assert answer.json == (fallback or {"error": UNANSWERED_MESSAGE})


async def test_an_answer_in_two_segments_comes_back_whole(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start(start_replica)
    async with client_server("in_two_segments") as server:
        owner = await callgate.add_organization("Bakery", forward_url=server.url)
        await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
        number_id = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number_id)
        message = vapi.live_call(number_id)
        message["message"]["type"] = "tool-calls"
        assert (await callgate.post(message)).json == {"assistantId": "theirs"}


async def test_an_unknown_type_without_an_answer_is_kept_under_the_same_name(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start(start_replica)
    own = OwnServer(answer=lambda _received: 500)
    async with own.running():
        _, number_id = await connect(callgate, vapi, own)
        message = report(vapi.live_call(number_id), 1, "a-type-of-tomorrow")
        assert (await callgate.post(message)).json == {}
        await eventually(lambda: asyncio.sleep(0, len(own.received) >= 2))
        assert len({one.webhook_id for one in own.received}) == 1
        own.answer = lambda _received: 200
        await eventually(lambda: asyncio.sleep(0, own.taken), 20)


async def test_what_callgate_relayed_is_refused_and_says_so(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start(start_replica)
    own = OwnServer()
    owner, number_id = await connect(callgate, vapi, own)
    # As if another name led here: the address was stored before it did.
    await pool.execute(
        "UPDATE callgate.organizations SET forward_url = $1",
        f"{callgate.url}/api/vapi/webhook",
    )
    callgate.service.relay.servers.sender.forward_urls = ForwardUrls(("127.0.0.1",))
    await asyncio.sleep(0.5)
    assert (await callgate.post(vapi.live_call(number_id))).status == 200

    async def says_so() -> bool:
        status = await callgate.api("GET", f"/organizations/{owner}/relay")
        return bool(status.json["last_error"] == "Its address leads back to Callgate.")

    await eventually(says_so)
    headers = {RELAY_HEADER: "1", "X-Vapi-Secret": SECRET}
    url = f"{callgate.url}/api/vapi/webhook"
    async with callgate.session.post(url, json={}, headers=headers) as response:
        assert (response.status, response.headers[RELAY_HEADER]) == (400, LOOP)
        assert (await response.json())["code"] == "relay_loop"


@pytest.mark.parametrize(
    "fallback",
    [
        {"assistantId": "a", "squadId": "b"},
        {},
        {"destination": {"type": "sip", "number": "+15550100"}},
        {"destination": {"type": "number", "number": "no number"}},
        {"destination": {"type": "number", "number": "+15550100200"}, "error": "x"},
        {"destination": "x"},
    ],
)
async def test_a_fallback_that_answers_nothing_is_refused(
    callgate: Replica, fallback: dict[str, object]
) -> None:
    body = {"name": "Bakery", "handling": {"relay_fallback": fallback}}
    assert (await callgate.api("POST", "/organizations", body)).status == 422
