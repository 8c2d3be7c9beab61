"""An organization's own server gets its granted calls' messages, and answers what Vapi waits for."""

import asyncio
from typing import Any

from aiohttp import web

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually, unused_port

PLAN = {"code": "pro", "status": "active"}


class OwnServer:
    """What the organization runs: it remembers what it got."""

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


async def prepare(start_replica: Start, vapi: SandboxVapi, own: OwnServer) -> tuple[Replica, str]:
    """A replica with a paying organization that has a server of its own."""
    callgate = await start_replica(callgate_relay_hosts="127.0.0.1")
    organization_id = await callgate.add_organization(
        forward_url=f"http://127.0.0.1:{own.port}/hook"
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
    assert body == message
    assert "X-Vapi-Secret" not in headers
    message["message"]["type"] = "tool-calls"
    answer = await callgate.post(message)
    assert (answer.status, answer.json) == (200, own.answer)
    own.answer = {"assistantId": "theirs"}
    asked = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    assert asked.json == {"assistantId": "theirs"}
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
    """Stored while it was allowed; a replica without the setting must not reach inside."""
    own = OwnServer()
    runner = await own.start()
    _, number_id = await prepare(start_replica, vapi, own)
    strict = await start_replica()
    message = vapi.live_call(number_id)
    message["message"]["type"] = "tool-calls"
    assert (await strict.post(message)).json == {}
    assert own.got == []
    await runner.cleanup()
