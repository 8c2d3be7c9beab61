"""The middleware of the sandbox: request log, faults, API key, Vapi's error shape."""

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hmac import compare_digest

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service.sandbox.call_routes import LIE
from service.sandbox.errors import VapiProblem, unauthorized
from service.sandbox.faults import Faults, SandboxFault
from service.sandbox.resources import MOST, STALE, json_response

OWN_PREFIX = "/_sandbox"
HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
KEPT_REQUESTS = 200_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that reached the sandbox. `status` is 0 where no answer left. `at` is
    `time.monotonic()`. Neither headers nor bodies are kept: they carry secrets."""

    method: str
    path: str
    status: int
    at: float

    def matches(self, pattern: str) -> bool:
        """Whether it matches `METHOD /path` with `*`."""
        return fnmatchcase(f"{self.method} {self.path}", pattern)


class DroppedError(Exception):
    """The connection was closed without an answer."""


@dataclass
class Traffic:
    """The middleware and its state."""

    api_key: str
    faults: Faults = field(default_factory=Faults)
    requests: deque[LoggedRequest] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def middleware(self) -> Middleware:
        @web.middleware
        async def pass_through(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(OWN_PREFIX):
                return await answered(request, handler)
            at, status = time.monotonic(), 0
            try:
                response = await self.handle(request, handler)
                status = response.status
            except DroppedError:
                # Never sent: the connection is closed.
                response = web.Response(status=500)
            finally:
                self.requests.append(LoggedRequest(request.method, request.path, status, at))
            return response

        return pass_through

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self.faults.strike(request.method, request.path)
        if fault is None:
            return await self.serve(request, handler)
        await self.wait(fault.latency)
        if fault.lie:
            request[LIE] = True
        if fault.stale:
            request[STALE] = True
        if fault.most is not None:
            request[MOST] = fault.most
        if fault.done:
            await self.serve(request, handler)
        return await self.apply_fault(fault, request, handler)

    async def apply_fault(
        self, fault: SandboxFault, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Apply a fault: answer wrongly, or not at all."""
        if fault.stall is not None:
            await self.wait(fault.stall)
            drop(request)
        if fault.reset:
            drop(request)
        if fault.html:
            return web.Response(status=fault.status or 200, text=HTML, content_type="text/html")
        if fault.answer is not None:
            return json_response(orjson.dumps(fault.answer), fault.status or 200)
        if fault.status is not None:
            headers = {}
            if fault.retry_after is not None:
                headers["Retry-After"] = f"{fault.retry_after:g}"
            return VapiProblem(fault.status, "A requested fault.").response(headers)
        response = await self.serve(request, handler)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            body = change_list(fault, response.body)
            body = body[: len(body) // 2] if fault.truncated else body
            return json_response(body, response.status)
        return response

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The real answer, if the key is correct. A control URL needs no key."""
        if request.method == "POST" and request.path.endswith("/control"):
            response = await answered(request, handler)
            # Whatever the answer is, as measured.
            response.force_close()
            return response
        given = request.headers.get("Authorization", "").encode()
        if not compare_digest(given, f"Bearer {self.api_key}".encode()):
            return unauthorized().response()
        return await answered(request, handler)

    async def wait(self, seconds: float) -> None:
        """Wait in real time, at most until the sandbox stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.stopping.wait()


def change_list(fault: SandboxFault, body: bytes) -> bytes:
    """A list's answer with the fault's elements in it, and its total."""
    if not fault.insert and fault.total is None:
        return body
    answer = orjson.loads(body)
    elements = answer.get("results") if isinstance(answer, dict) else answer
    if isinstance(elements, list):
        elements[1:1] = fault.insert
    if fault.total is not None and isinstance(answer, dict) and "metadata" in answer:
        answer["metadata"]["totalItems"] = fault.total
    return orjson.dumps(answer)


async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, errors in Vapi's shape."""
    try:
        return await handler(request)
    except VapiProblem as exc:
        return exc.response()
    except web.HTTPException as exc:
        return VapiProblem(exc.status, f"Cannot {request.method} {request.path}").response()


def drop(request: web.Request) -> None:
    """Close the connection with a reset. Raises `DroppedError` always."""
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    raise DroppedError
