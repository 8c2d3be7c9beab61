"""A server that answers as set up, and the client that asks it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from service.domain.priority import Priority
from service.vapi.client import VapiClient
from tests.vapi.client.helpers import KEY, Vapi


@pytest.fixture
async def vapi() -> AsyncIterator[Vapi]:
    async def handle(request: web.Request) -> web.StreamResponse:
        found.requests.append(request)
        found.bodies.append(await request.read())
        return await found.answer(request)

    async def pace(priority: Priority) -> None:
        found.paced.append(priority)

    app = web.Application()
    app.router.add_route("*", r"/{path:[\s\S]*}", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        client = VapiClient(session, str(server.make_url("/")), SecretStr(KEY), pace)
        found = Vapi(client, handle)
        yield found
