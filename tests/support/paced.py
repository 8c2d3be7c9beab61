"""Messages at a fixed rate, whether or not earlier ones are answered, as Vapi sends them.

A slow answer delays no other message: each goes out on a free connection, or on a new one. Latency is
from the moment of sending, on a client without an HTTP library, so that little of it is the client's.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from tests.support.load import CALL_ID, CALLER, Load

ANSWER_SECONDS = 10.0
WARMING_SECONDS = 1.0
MOST_CONNECTIONS = 1000
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


@dataclass(slots=True)
class PacedResult:
    """What was measured. `taken` are seconds, sorted; `statuses` counts answers (0: none came).

    `late` is by how much the client itself was late at most.
    """

    expected: int
    seconds: float = 0.0
    late: float = 0.0
    taken: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """Answers with another status than the expected one, and those that did not come."""
        return self.statuses.total() - self.statuses[self.expected]

    def share(self, part: float) -> float:
        """The latency that this part of all answers did not exceed, in seconds."""
        return self.taken[min(int(len(self.taken) * part), len(self.taken) - 1)]


class PacedConnection(asyncio.Protocol):
    """One kept connection with at most one request on its way."""

    def __init__(self, pace: "Pace") -> None:
        self.pace = pace
        self.transport: asyncio.Transport | None = None
        self.waiting: bytes | None = None
        self.began: float | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is of no class of asyncio
        if self.waiting is not None:
            self.write(self.waiting)

    def send(self, request: bytes) -> None:
        """Send now, or once it is connected."""
        self.began = time.perf_counter()
        self.waiting = request
        if self.transport is not None:
            self.write(request)

    def write(self, request: bytes) -> None:
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(HEAD_END)
        if end < 0:
            return
        head = self.received[:end].lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.received) >= end + len(HEAD_END) + length:
            status = int(self.received[9:12])
            self.received = b""
            self.finish(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pace.drop(self)
        self.finish(0)

    def finish(self, status: int) -> None:
        """Note an answer and be free again."""
        if self.began is not None:
            self.pace.note(status, time.perf_counter() - self.began)
            self.began = self.waiting = None
            if status:
                self.pace.free.append(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Pace:
    """The connections of one run and what their answers were."""

    def __init__(self, load: Load) -> None:
        parts = urlsplit(load.url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.result = PacedResult(load.status)
        self.free: list[PacedConnection] = []
        self.opened: set[PacedConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.build = builder(load)

    def send(self, count: int) -> None:
        """Send the message of this number on a free connection or on a new one."""
        request = self.build(count)
        if self.free:
            self.free.pop().send(request)
            return
        if len(self.opened) >= MOST_CONNECTIONS:
            self.note(0, ANSWER_SECONDS)
            return
        connection = PacedConnection(self)
        self.opened.add(connection)
        connection.send(request)
        task = asyncio.create_task(self.connect(connection))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, connection: PacedConnection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, self.host, self.port)
        except OSError as exc:
            connection.connection_lost(exc)

    def note(self, status: int, seconds: float) -> None:
        self.result.statuses[status] += 1
        self.result.taken.append(seconds)

    def drop(self, connection: PacedConnection) -> None:
        self.opened.discard(connection)
        if connection in self.free:
            self.free.remove(connection)


def build_request(load: Load, body: bytes) -> bytes:
    """One request with this body."""
    head = (
        f"POST {urlsplit(load.url).path} HTTP/1.1\r\nHost: gate\r\n"
        f"Content-Type: application/json\r\nX-Vapi-Secret: {load.secret}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def builder(load: Load) -> Callable[[int], bytes]:
    """Builds the request of a number; where the body asks for it, each is of a call of its own."""
    if CALL_ID.encode() not in load.body:
        request = build_request(load, load.body)
        return lambda _count: request
    prefix = os.urandom(10).hex()

    def build(count: int) -> bytes:
        body = load.body.replace(CALL_ID.encode(), f"{prefix}{count:012x}".encode())
        caller = f"+1555{count % 10**7:07d}".encode()
        return build_request(load, body.replace(CALLER.encode(), caller))

    return build


async def run_paced(load: Load, rate: float, seconds: float) -> PacedResult:
    """Send so many messages a second for a while, and wait for the last answers.

    The connections are opened by a second of messages that are not counted.
    """
    pace = Pace(load)
    sent = await drive(pace, rate, WARMING_SECONDS, 0)
    pace.result = PacedResult(load.status)
    await drive(pace, rate, seconds, sent)
    for connection in list(pace.opened):
        connection.close()
    await asyncio.sleep(0)
    pace.result.taken.sort()
    return pace.result


async def drive(pace: Pace, rate: float, seconds: float, first: int) -> int:
    """Send the messages from this number on, each when it is due; the number after the last one."""
    began = time.perf_counter()
    total, sent = max(int(rate * seconds), 1), 0
    while sent < total:
        now = time.perf_counter() - began
        due = min(int(now * rate) + 1, total)
        if sent < due:
            pace.result.late = max(pace.result.late, now - sent / rate)
        while sent < due:
            pace.send(first + sent)
            sent += 1
        await asyncio.sleep(max(sent / rate - (time.perf_counter() - began), 0))
    until = time.perf_counter() + ANSWER_SECONDS
    while pace.result.statuses.total() < total and time.perf_counter() < until:
        await asyncio.sleep(0.005)
    pace.result.seconds = time.perf_counter() - began
    return first + total
