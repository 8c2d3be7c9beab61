"""What all listeners of a process share: the connections, their watch, and what a request does to its
connection."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.web.connections.admission import Admission
from service.web.connections.budget import BodyBudgets, Trust
from service.web.connections.connection import Connection
from service.web.connections.counts import DoorCounts
from service.web.connections.limits import ConnectionLimits
from service.web.connections.refusals import RefusalLog
from service.web.connections.straight_parser import OpenedMessage
from service.web.connections.turnstile import Turnstile
from service.web.problems import problem

CHECK_SECONDS = 0.5
SMALL_READ = 16 * 1024
READ = 256 * 1024

REFUSALS = (401, 413, 429)
ENTRANCES = ("/admin/sign-in", "/admin/setup")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doors:
    """One a process."""

    def __init__(self, limits: ConnectionLimits, budgets: BodyBudgets | None = None) -> None:
        self.counts = DoorCounts()
        self.refusals = RefusalLog()
        self.admission = Admission(limits, self.counts)
        self.turnstile = Turnstile()
        self.budgets = budgets or BodyBudgets()
        self.by_handler: dict[object, Connection] = {}
        # The loop reads into these and hands the bytes over before it reads again.
        self.buffer = memoryview(bytearray(READ))
        self.small_buffer = self.buffer[:SMALL_READ]
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep deadlines from now on."""
        if self.task is None:
            self.task = asyncio.create_task(self.watch(), name="connections")

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None
        self.refusals.flush()

    async def watch(self) -> None:
        """Close what is too slow, until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = time.monotonic()
            for connection in list(self.by_handler.values()):
                connection.check(now, now - last)
            last = now

    def count_unproved(self) -> float:
        return float(self.admission.strangers)

    def count_proved(self) -> float:
        return float(len(self.admission.guests) - self.admission.strangers)

    def refuse(self, reason: str, address: str) -> None:
        """Count a connection that was refused."""
        self.counts.refused[reason] += 1
        self.refusals.note("connection.refused", reason, address)

    def of(self, request: web.BaseRequest) -> Connection | None:
        """The connection of a request; None where another listener took it."""
        return self.by_handler.get(request.protocol)

    def prove(self, request: web.BaseRequest) -> None:
        """The request is a webhook with the right secret."""
        connection = self.of(request)
        if connection is not None:
            self.admission.prove(connection, time.monotonic())
            connection.release()

    def trust(self, request: web.BaseRequest) -> Trust:
        """What an earlier webhook has proved of the sender of a request."""
        connection = self.of(request)
        if connection is None:
            return "none"
        if connection.proved:
            return "connection"
        known = self.admission.is_known(connection.address, time.monotonic())
        return "address" if known else "none"

    def take_opened(self, request: web.BaseRequest) -> OpenedMessage | None:
        """What the straight way has proved and read of a request already."""
        connection = self.of(request)
        return None if connection is None else connection.take_opened(request.content)

    def busy(self) -> web.Response:
        """The answer to a body that has no room: Vapi or another sender may try again."""
        self.counts.busy["body_budget"] += 1
        response = problem(503, "busy", "Too many large requests at once. Try again in a moment.")
        response.headers["Retry-After"] = "1"
        response.force_close()
        return response

    def middleware(self) -> Middleware:
        """The outermost middleware: tells a connection when its request begins and ends."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = self.of(request)
            if connection is None:
                return await handler(request)
            refused = False
            try:
                await connection.begin(request)
                response = await handler(request)
                refused = is_refusal(request, response.status)
            finally:
                connection.finish(refused=refused)
            return response

        return guarded


def is_refusal(request: web.Request, status: int) -> bool:
    """Whether an answer refuses a sender who has proved nothing."""
    return status in REFUSALS or (status == 403 and request.path in ENTRANCES)
