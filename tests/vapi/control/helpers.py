"""A control host, and the client that speaks to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from service.vapi.control import ControlClient

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
