"""The proxy that the platform prescribes, between us and Vapi: a real one, over real sockets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.settings import outgoing_proxies
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient

NAME = "http://api.vapi.internal"


@pytest.fixture
async def proxied(vapi: SandboxVapi) -> AsyncIterator[list[str]]:
    """A proxy that sends everything to the sandbox; the URLs that it was asked for."""
    asked: list[str] = []

    async def forward(request: web.BaseRequest) -> web.Response:
        asked.append(f"{request.method} {request.url}")
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                URL(vapi.base_url).join(URL(request.url.raw_path_qs, encoded=True)),
                data=await request.read(),
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name == "Authorization"
                },
            ) as response,
        ):
            return web.Response(status=response.status, body=await response.read())

    server = web.Server(forward)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", site.name)
        patch.setenv("no_proxy", "")
        outgoing_proxies.proxy_for.cache_clear()
        yield asked
    outgoing_proxies.proxy_for.cache_clear()
    await runner.cleanup()


async def pace(_priority: Priority) -> None:
    """No limit."""


async def test_requests_to_vapi_go_through_the_proxy(vapi: SandboxVapi, proxied: list[str]) -> None:
    """The name resolves nowhere here: the proxy looks it up."""
    number_id = vapi.add_number()["id"]
    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, NAME, SecretStr("sandbox-private-key"), pace)
        assert (await client.get_phone_number(number_id))["id"] == number_id
    assert proxied == [f"GET {NAME}/phone-number/{number_id}"]


async def test_commands_to_control_urls_go_through_the_proxy(
    vapi: SandboxVapi, proxied: list[str]
) -> None:
    live = vapi.live_call(vapi.add_number()["id"])["message"]["call"]
    path = URL(live["monitor"]["controlUrl"]).path
    control = ControlClient([NAME])
    try:
        await control.end_call(f"{NAME}{path}")
    finally:
        await control.close()
    assert proxied == [f"POST {NAME}{path}"]
    assert [hangup.call_id for hangup in vapi.hangups] == [live["id"]]


def test_this_machine_and_exceptions_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.internal:3128")
    monkeypatch.setenv("http_proxy", "proxy.internal:3128")
    monkeypatch.setenv("no_proxy", ".agency.net,10.0.0.1,::1")
    outgoing_proxies.proxy_for.cache_clear()
    found = [
        outgoing_proxies.proxy_of(URL(url))
        for url in ("https://api.vapi.ai", "http://127.0.0.1:9", "https://login.agency.net")
    ]
    outgoing_proxies.proxy_for.cache_clear()
    assert found == [URL("http://proxy.internal:3128"), None, None]
    assert ("proxy.internal", 3128) in outgoing_proxies.proxy_servers()
