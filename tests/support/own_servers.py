"""An organization's own server, as its developer would write it: it verifies what it gets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from service.domain.organizations import Organization
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, unused_port

PLAN = {"code": "pro", "status": "active"}


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it arrived."""

    body: bytes
    headers: dict[str, str]

    @property
    def message(self) -> Any:
        return orjson.loads(self.body)["message"]

    @property
    def call(self) -> str:
        return str(self.message["call"]["id"])

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Received], Any]


@dataclass
class OwnServer:
    """A server; `answer` gives the status, or what to send, for each message."""

    port: int = field(default_factory=unused_port)
    answer: Answer = lambda _received: 200
    received: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    """Those that were answered with a status of 2xx."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        found = Received(await request.read(), dict(request.headers))
        self.received.append(found)
        answer = self.answer(found)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, int):
            answer = web.Response(status=answer)
        if answer.status < 300:
            self.taken.append(found)
        return answer  # type: ignore[no-any-return]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["OwnServer"]:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/hook", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    def numbers_of(self, call: str) -> list[int]:
        """The numbers of a call's messages, in the order in which each was first taken."""
        numbers = [one.message["number"] for one in self.taken if one.call == call]
        return list(dict.fromkeys(numbers))


@dataclass
class Directory:
    """Where the servers of organizations are."""

    urls: dict[UUID, str] = field(default_factory=dict)

    def find(self, owner: UUID) -> Organization | None:
        return Organization(owner, "Bakery", forward_url=self.urls[owner])


async def connect(
    callgate: Replica, vapi: SandboxVapi, own: OwnServer, **fields: object
) -> tuple[str, str]:
    """A paying organization with this server: its id, and that of its number."""
    owner = await callgate.add_organization("Bakery", forward_url=own.url, **fields)
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    return owner, number_id


async def start(start_replica: Start, **given: object) -> Replica:
    """A replica that may reach own servers."""
    return await start_replica(callgate_relay_hosts="127.0.0.1", **given)


def shorten_pauses(callgate: Replica) -> None:
    """Let a replica try failing servers again soon. Call it before their first messages."""
    servers = callgate.service.relay.servers
    assert not servers.servers
    servers.limits = replace(servers.limits, first_pause_seconds=0.05, longest_pause_seconds=0.2)


def report(call: Any, number: int, kind: str = "status-update") -> Any:
    """A lasting message of a call, told from the others by its number."""
    message = {**call["message"], "type": kind, "number": number, "status": "in-progress"}
    return {"message": message}
