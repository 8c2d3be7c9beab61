"""A server that answers as set up, and the client that asks it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from service.domain.priority import Priority
from service.vapi.client import VapiClient

KEY = "private-key-5f0c"


NUMBER: dict[str, Any] = {"id": "n1", "provider": "vapi", "unknown": {"kept": 1}}


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Vapi:
    """A server that answers every request in one way, and the client that asks it."""

    client: VapiClient
    answer: Answer
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paced: list[Priority] = field(default_factory=list)

    def answers(
        self,
        body: object = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> None:
        content = json.dumps(body).encode() if raw is None else raw

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=content, status=status, headers=headers)

        self.answer = answer
