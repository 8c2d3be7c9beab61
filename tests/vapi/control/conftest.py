"""A control host, and the client that speaks to it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.vapi.control import ControlClient
from tests.vapi.control.helpers import ControlHost


@pytest.fixture
async def host() -> AsyncIterator[ControlHost]:
    async def handle(request: web.Request) -> web.StreamResponse:
        found.requests.append(request)
        found.bodies.append(await request.read())
        found.peers.add(request.transport and request.transport.get_extra_info("peername"))
        return await found.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        origin = str(server.make_url("")).rstrip("/")
        client = ControlClient((".vapi.ai", origin))
        found = ControlHost(origin, client)
        yield found
        await client.close()
