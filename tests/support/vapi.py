"""A started stand-in for Vapi, a client that speaks to it, and a webhook that it can post to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from service.sandbox.server import SandboxVapi
from tests.support.replies import Reply

# A simulated second lasts 20 ms: a call of a few seconds is over at once, and in order.
TIME_SCALE = 0.02


@pytest.fixture
async def vapi() -> AsyncIterator[SandboxVapi]:
    """A Vapi of the test's own: empty, listening, quick."""
    sandbox = SandboxVapi(time_scale=TIME_SCALE)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@dataclass
class VapiApi:
    """Speaks to the sandbox as any client would, with its key unless told otherwise."""

    sandbox: SandboxVapi
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> Reply:
        """One request. `path` may be a whole URL; `body` is sent as JSON, bytes as they are."""
        url = path if "://" in path else self.sandbox.base_url + path
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {self.sandbox.api_key if key is None else key}"}
        async with self.session.request(method, url, data=data, headers=headers) as response:
            return await Reply.read(response)


@pytest.fixture
async def vapi_api(vapi: SandboxVapi) -> AsyncIterator[VapiApi]:
    """A client of the test's Vapi."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield VapiApi(vapi, session)


@dataclass
class Webhook:
    """A customer's webhook: keeps what arrives and answers as configured.

    `answers` are taken in turn, then `status` and `answer` for all that follow.
    """

    url: str = ""
    status: int = 200
    answer: object = field(default_factory=dict)
    answers: list[tuple[int, object]] = field(default_factory=list)
    delay: float = 0.0
    messages: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.messages.append(orjson.loads(body)["message"])
        self.headers.append(request.headers.copy())
        status, answer = self.answers.pop(0) if self.answers else (self.status, self.answer)
        if self.delay:
            await asyncio.sleep(self.delay)
        data = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        return web.Response(status=status, body=data, content_type="application/json")

    @property
    def types(self) -> list[str]:
        """What arrived: the type, with the status of status updates."""
        return [
            f"{message['type']} {message['status']}"
            if message["type"] == "status-update"
            else message["type"]
            for message in self.messages
        ]


@pytest.fixture
async def open_webhook() -> AsyncIterator[Callable[[], Any]]:
    """Opens a webhook on a port of its own: `webhook = await open_webhook()`."""
    runners = []

    async def open_one() -> Webhook:
        webhook = Webhook()
        app = web.Application()
        app.router.add_post("/vapi", webhook.receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/vapi"
        runners.append(runner)
        return webhook

    yield open_one
    for runner in runners:
        await runner.cleanup()
