"""The command that ends a call, against real servers: what is sent, how long it may take."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from service.vapi.control import ControlClient, HostileUrlError
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnavailableError,
)
from service.vapi.resolver import PublicResolver
from tests.support.control_urls import HOSTILE

TOKEN = "capability-7d1e"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def accept(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


@dataclass
class ControlHost:
    """A control host that answers every command in one way, and the client that posts to it."""

    origin: str
    client: ControlClient
    answer: Answer = accept
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.origin}/{TOKEN}/control"

    def answers(self, status: int, headers: dict[str, str] | None = None) -> None:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers=headers)

        self.answer = answer


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


async def test_the_command_is_posted_as_json_without_key_or_cookie(host: ControlHost) -> None:
    await host.client.end_call(host.url)
    (request,) = host.requests
    assert (request.method, request.path) == ("POST", f"/{TOKEN}/control")
    assert json.loads(host.bodies[0]) == {"type": "end-call"}
    assert request.content_type == "application/json"
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers


async def test_every_command_has_a_connection_of_its_own(host: ControlHost) -> None:
    async def answer(_request: web.Request) -> web.Response:
        response = web.json_response({})
        response.set_cookie("session", "x")
        return response

    host.answer = answer
    for _ in range(3):
        await host.client.end_call(host.url)
    assert len(host.peers) == 3
    assert [request.headers["Connection"] for request in host.requests] == ["close"] * 3
    assert all("Cookie" not in request.headers for request in host.requests)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_is_taken(host: ControlHost, status: int) -> None:
    host.answers(status)
    await host.client.end_call(host.url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, VapiRejectedError),
        (302, VapiRejectedError),
        (307, VapiRejectedError),
        (308, VapiRejectedError),
        (400, VapiNotFoundError),
        (401, VapiRejectedError),
        (403, VapiRejectedError),
        (404, VapiNotFoundError),
        (408, VapiUnavailableError),
        (410, VapiNotFoundError),
        (422, VapiRejectedError),
        (429, VapiThrottledError),
        (500, VapiUnavailableError),
        (503, VapiUnavailableError),
    ],
)
async def test_each_status_has_its_error_after_one_request(
    host: ControlHost, status: int, kind: type[VapiError]
) -> None:
    host.answers(status, {"Location": f"{host.origin}/elsewhere", "Retry-After": "2"})
    with pytest.raises(VapiError) as caught:
        await host.client.end_call(host.url)
    assert type(caught.value) is kind
    assert len(host.requests) == 1
    assert TOKEN not in repr(caught.value)
    if isinstance(caught.value, VapiThrottledError):
        assert caught.value.retry_after == 2


async def test_a_host_that_stalls_is_given_up_in_time(host: ControlHost) -> None:
    async def answer(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    host.answer = answer
    began = time.monotonic()
    with pytest.raises(VapiUnavailableError) as caught:
        await host.client.end_call(host.url)
    assert 2.4 < time.monotonic() - began < 4
    assert TOKEN not in repr(caught.value)


async def test_a_host_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = ControlClient((origin,), attempt_seconds=0.1)
        with pytest.raises(VapiUnavailableError):
            await client.end_call(f"{origin}/control")
        await client.close()


async def test_an_answer_without_an_end_is_not_waited_for(host: ControlHost) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(5)
        return response

    host.answer = answer
    began = time.monotonic()
    await host.client.end_call(host.url)
    assert time.monotonic() - began < 2


async def test_a_host_that_speaks_no_http_or_is_away_is_unavailable(unused_tcp_port: int) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    for port in (server.sockets[0].getsockname()[1], unused_tcp_port):
        client = ControlClient((f"http://127.0.0.1:{port}",))
        with pytest.raises(VapiUnavailableError) as caught:
            await client.end_call(f"http://127.0.0.1:{port}/{TOKEN}")
        assert TOKEN not in repr(caught.value)
        await client.close()
    server.close()
    await server.wait_closed()


class Names(AbstractResolver):
    """DNS that answers every name with the given addresses, and remembers who asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None: ...


async def test_hostile_urls_are_neither_resolved_nor_connected() -> None:
    names = Names("127.0.0.1")
    client = ControlClient(
        (".vapi.ai", "http://127.0.0.1:9000", "https://stub.internal:8443"), names
    )
    assert len(HOSTILE) >= 40
    for url in HOSTILE:
        with pytest.raises(HostileUrlError):
            await client.end_call(url)
    assert names.asked == []
    await client.close()


async def test_a_listener_that_is_not_configured_is_never_connected() -> None:
    knocks: list[object] = []

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = ControlClient((".vapi.ai", f"http://127.0.0.1:{port + 1 if port < 65535 else 1}"))
    for form in (
        "http://127.0.0.1:{}/control",
        "https://127.0.0.1:{}/control",
        "http://localhost:{}/control",
        "http://a.vapi.ai@127.0.0.1:{}/control",
        "http://a.vapi.ai:443@127.0.0.1:{}/",
        "http://[::ffff:127.0.0.1]:{}/control",
        "http://2130706433:{}/control",
        "http://0:{}/.vapi.ai",
        "http://127.0.0.1:{}#.vapi.ai",
        "http://127.0.0.1:{}?.vapi.ai",
        "http://127.0.0.1:{}\\.vapi.ai",
    ):
        with pytest.raises(HostileUrlError):
            await client.end_call(form.format(port))
    await client.close()
    server.close()
    await server.wait_closed()
    assert knocks == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "fec0::1",
        "2002:7f00:1::1",
    ],
)
async def test_names_of_vapi_that_lead_inside_are_refused(address: str) -> None:
    # Asked directly too: without IPv6 a connection to an inner address fails by itself.
    with pytest.raises(OSError, match="no public address"):
        await PublicResolver(frozenset(), Names(address)).resolve("a.vapi.ai", 443)
    client = ControlClient((".vapi.ai",), Names(address))
    with pytest.raises(VapiUnavailableError):
        await client.end_call("https://a.vapi.ai/control")
    await client.close()


async def test_of_several_addresses_only_public_ones_are_left() -> None:
    inner = Names("127.0.0.1", "8.8.8.8", "64:ff9b::808:808", "::1")
    found = await PublicResolver(frozenset(), inner).resolve("a.vapi.ai", 443)
    assert [entry["host"] for entry in found] == ["8.8.8.8", "64:ff9b::808:808"]


async def test_a_configured_origin_may_lead_inside(host: ControlHost) -> None:
    port = host.origin.rpartition(":")[2]
    client = ControlClient((f"http://stub.internal:{port}",), Names("127.0.0.1"))
    await client.end_call(f"http://stub.internal:{port}/control")
    assert len(host.requests) == 1
    await client.close()
