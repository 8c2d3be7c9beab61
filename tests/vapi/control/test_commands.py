"""The command that ends a call, against real servers: what is sent, how long it may take."""

import asyncio
import json
import socket
import time

import pytest
from aiohttp import web

from service.vapi.control import ControlClient
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiThrottledError,
    VapiUnavailableError,
)
from tests.vapi.control.helpers import TOKEN, ControlHost


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
