"""One connection: aiohttp's own protocol behind a door that counts bytes, keeps deadlines, and lets
unproved bytes in a few at a time."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, cast

from aiohttp import web

from service.web.connections.straight_parser import OpenedMessage, Straight, StraightParser

if TYPE_CHECKING:
    from service.web.connections.doors import Doors

WEBHOOK_LINE = b"POST /api/vapi/webhook "
PENALTY_SECONDS = 1.0

Phase = Literal["header", "request", "idle"]


class Connection(asyncio.BufferedProtocol):
    """A guest of `Admission`. Reads into a shared buffer: small for unproved senders, so that many
    of them hold little memory."""

    def __init__(
        self,
        doors: "Doors",
        inner: web.RequestHandler,
        address: str,
        straight: Straight | None = None,
    ) -> None:
        self.doors = doors
        self.inner = inner
        self.address = address
        self.proved = False
        self.is_shed = False
        self.transport: asyncio.Transport | None = None
        self.phase: Phase = "header"
        self.since = time.monotonic()
        self.request: web.BaseRequest | None = None
        self.received = 0
        self.turns = 0
        self.urgent = False
        self.held: deque[bytes] = deque()
        self.held_until = 0.0
        self.unread, self.unread_since = 0, self.since
        self.opened: tuple[object, OpenedMessage] | None = None
        if straight is not None:
            StraightParser(self, inner, straight)

    @property
    def idle_since(self) -> float | None:
        return None if self.phase == "request" else self.since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No subclass check: uvloop's transports only behave like asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        if self.is_shed:
            self.transport.abort()
        self.doors.by_handler[self.inner] = self
        self.inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.held.clear()
        self.doors.admission.remove(self)
        self.doors.by_handler.pop(self.inner, None)
        self.inner.connection_lost(exc)
        self.request = self.transport = None

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> None:
        self.inner.eof_received()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.doors.buffer if self.proved else self.doors.small_buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self.get_buffer(0)[:nbytes])
        self.received += nbytes
        if self.phase == "idle":
            self.phase, self.since = "header", time.monotonic()
        if self.proved and not self.held:
            self.inner.data_received(data)
            return
        if self.phase == "header":
            self.urgent = data.startswith(WEBHOOK_LINE)
        self.hold(data)

    def hold(self, data: bytes) -> None:
        """Keep unproved bytes until it is their turn; the rest waits in the kernel."""
        self.held.append(data)
        if len(self.held) > 1:
            self.pause()
            return
        wait = self.held_until - time.monotonic()
        if wait > 0:
            self.pause()
            asyncio.get_running_loop().call_later(wait, self.queue)
        else:
            self.queue()

    def queue(self) -> None:
        self.doors.turnstile.enter(self.release, urgent=self.urgent)
        if self.held:
            self.pause()

    def release(self) -> None:
        """Hand over what waited; a connection that was lost meanwhile has nothing left."""
        if not self.held or self.transport is None:
            return
        self.turns = 1
        data = b"".join(self.held)
        self.held.clear()
        # aiohttp may pause again within: it knows what its handler has not read yet.
        self.resume()
        self.inner.data_received(data)

    def pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            with suppress(RuntimeError):  # it is paused already
                self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            with suppress(RuntimeError):  # it reads already
                self.transport.resume_reading()

    async def begin(self, request: web.BaseRequest) -> None:
        """A request was read as far as its body. A further one out of the same bytes waits its turn."""
        self.phase, self.since, self.received = "request", time.monotonic(), 0
        self.request = request
        if self.proved:
            return
        if self.turns > 0:
            self.turns -= 1
        else:
            await self.doors.turnstile.wait(urgent=False)

    def finish(self, *, refused: bool) -> None:
        """The answer is ready. After a refusal the next request waits.

        Except for webhooks from a known address: one organization's wrong secret must not delay
        another's messages on a connection that Vapi uses for both.
        """
        self.phase, self.since = "idle", time.monotonic()
        self.request = None
        exempt = self.urgent and self.doors.admission.is_known(self.address, self.since)
        if refused and not self.proved and not exempt:
            self.held_until = self.since + PENALTY_SECONDS

    def answered(self, answer: bytes) -> None:
        """A proved message was answered by the straight way."""
        assert self.transport is not None
        self.transport.write(answer)
        self.phase, self.since, self.received = "idle", time.monotonic(), 0
        self.doors.admission.prove(self, self.since)

    def take_opened(self, content: object) -> OpenedMessage | None:
        """What the straight way opened of the request with this body, once."""
        opened, self.opened = self.opened, None
        return opened[1] if opened is not None and opened[0] is content else None

    def shed(self, reason: str) -> None:
        """Close at once."""
        self.doors.counts.shed[reason] += 1
        self.is_shed = True
        if self.transport is not None:
            self.transport.abort()

    def check(self, now: float, seconds: float) -> None:
        """Close what is too slow; `seconds` passed since the last check."""
        if self.transport is None or self.transport.is_closing():
            return
        limits = self.doors.admission.limits
        if self.is_stuck(now):
            self.shed("stuck")
        elif self.phase == "header" and now - self.since > limits.header:
            self.shed("header_timeout")
        elif self.phase == "idle" and not self.proved and now - self.since > self.idle_limit:
            self.shed("idle")
        elif self.request is not None and not self.request.content.is_eof():
            if self.held or not self.transport.is_reading():
                self.since += seconds  # we keep it waiting, not it us
            elif now - self.since > limits.body + self.received / limits.body_rate:
                self.shed("body_timeout")

    @property
    def idle_limit(self) -> float:
        limits = self.doors.admission.limits
        proxied = self.doors.admission.is_proxy(self.address)
        return 3600.0 if proxied else limits.idle

    def is_stuck(self, now: float) -> bool:
        """Whether the client has read nothing of its answer for too long."""
        assert self.transport is not None
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread != self.unread:
            self.unread, self.unread_since = unread, now
        return now - self.unread_since > self.doors.admission.limits.stuck if unread else False
