"""The whole service over real HTTP: real PostgreSQL, the sandbox as Vapi, one replica or several."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.sandbox.server import SandboxVapi
from service.serve.listeners import bind, listening
from service.serve.replica import WITH_DATABASE, running
from service.serve.replica import Replica as Service
from service.serve.replica import Start as ReplicaStart
from service.settings import Settings
from service.store.roles import app_dsn
from tests.support.replies import Reply
from tests.support.settings import SECRET, TOKEN, UNSET_URL, settings_for


@dataclass(frozen=True, slots=True)
class Replica:
    """One running replica and a client of it."""

    service: Service
    session: aiohttp.ClientSession
    url: str

    async def api(
        self, method: str, path: str, body: object = None, *, token: str = TOKEN
    ) -> Reply:
        """A request to the admin API."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers
        ) as response:
            return await Reply.read(response)

    async def post(self, message: object, *, secret: str = SECRET) -> Reply:
        """A message from Vapi."""
        async with self.session.post(
            f"{self.url}/api/vapi/webhook", json=message, headers={"X-Vapi-Secret": secret}
        ) as response:
            return await Reply.read(response)

    async def add_organization(self, name: str = "Bakery", **fields: object) -> str:
        answer = await self.api("POST", "/organizations", {"name": name, **fields})
        assert answer.status == 201, answer.json
        return str(answer.json["id"])

    async def add_number(self, organization_id: str, vapi_id: str, **fields: object) -> Any:
        body = {"organization_id": organization_id, "vapi_phone_number_id": vapi_id, **fields}
        answer = await self.api("POST", "/phone-numbers", body)
        assert answer.status == 201, answer.json
        return answer.json

    async def call(self, vapi_call_id: str) -> Any:
        """What is recorded of a call; exactly one record, or None."""
        answer = await self.api("GET", f"/calls?vapi_call_id={vapi_call_id}")
        assert answer.status == 200, answer.json
        assert len(answer.json["items"]) <= 1
        return answer.json["items"][0] if answer.json["items"] else None


Start = Callable[..., Awaitable[Replica]]


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Wait until `check` gives something true, and return it."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def replica(
    settings: Settings, dsn: str, *, port: int = 0, start: ReplicaStart = WITH_DATABASE
) -> AsyncIterator[Replica]:
    """A replica on a port of its own; all replicas write the same URL to Vapi."""
    site_port = port or unused_port()
    url = f"http://127.0.0.1:{site_port}"
    if settings.vapi_webhook_url == UNSET_URL:
        settings = settings.model_copy(update={"vapi_webhook_url": f"{url}/api/vapi/webhook"})
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(settings, dsn, start))
        socket = bind("127.0.0.1", site_port, "CALLGATE_PORT", reuse_port=False)
        await stack.enter_async_context(listening(service, [socket], shutdown_seconds=1))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Replica(service, session, url)


PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections, so none of those takes one meanwhile."""


def unused_port() -> int:
    """A port for a listener that starts later, by chance, so that parallel tests choose others."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture
async def start_replica(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts replicas on one database, each with a data folder of its own.

    They work as the role that may change rows only, as in production.
    """
    async with AsyncExitStack() as stack:
        count = 0

        async def start(**given: object) -> Replica:
            nonlocal count
            count += 1
            settings = settings_for(tmp_path / f"replica-{count}", vapi.base_url, **given)
            return await stack.enter_async_context(replica(settings, app_dsn(dsn)))

        yield start


@pytest.fixture
async def callgate(start_replica: Start) -> Replica:
    """One replica."""
    return await start_replica()
