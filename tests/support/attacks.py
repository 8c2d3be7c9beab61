"""Attackers without a secret: each kind as many connections as one machine can play.

    python -m tests.support.attacks KIND PORT SECONDS

Runs in a process of its own, so that neither the service nor who measures it pays for the attack, and
with low priority, as real attackers have machines of their own. Loopback only. Some connections
come from the address that Vapi's messages come from, as behind an unknown proxy; others do not.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import cycle

import uvloop

WEBHOOK = b"POST /api/vapi/webhook HTTP/1.1\r\nHost: gate\r\n"
WRONG = WEBHOOK + b"X-Vapi-Secret: wrong\r\nContent-Length: 2\r\n\r\n{}"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: gate\r\n\r\n"
SIGN_IN = (
    b"POST /admin/sign-in HTTP/1.1\r\nHost: gate\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
)
FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
UPLOAD = 30 * 2**20
RETRY_SECONDS = 0.02

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Attack:
    """Connections to one port until a deadline."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.deadline = time.monotonic() + seconds
        self.sources: Iterator[str] = cycle(["127.0.0.1", *(f"127.0.0.{n}" for n in range(2, 9))])

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    async def connect(self) -> Stream:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(next(self.sources), 0)
        )

    async def many(self, count: int, one: Callable[[Stream], Awaitable[None]]) -> None:
        """Keep so many connections going; one that is closed comes again."""

        async def again() -> None:
            while not self.over:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    stream = await self.connect()
                    try:
                        await one(stream)
                    finally:
                        stream[1].close()
                await asyncio.sleep(RETRY_SECONDS)

        try:
            async with asyncio.timeout_at(
                asyncio.get_running_loop().time() + self.deadline - time.monotonic()
            ):
                await asyncio.gather(*(again() for _ in range(count)))
        except TimeoutError:
            pass

    async def hold(self, stream: Stream, sent: bytes) -> None:
        """Send something incomplete and wait to be closed."""
        stream[1].write(sent)
        await stream[0].read()

    async def drip(self, stream: Stream, head: bytes) -> None:
        """A byte every half second, for as long as it is taken."""
        stream[1].write(head)
        while not self.over:
            stream[1].write(b"x")
            await stream[1].drain()
            await asyncio.sleep(0.5)

    async def repeat(self, stream: Stream, request: bytes) -> None:
        """The next request as soon as the last is answered."""
        while not self.over:
            await exchange(stream, request)

    async def nothing(self) -> None:
        """Use the processor as an attack does, and leave the service alone: quiet to compare with."""
        while not self.over:
            await asyncio.sleep(0)

    async def half_open(self) -> None:
        await self.many(1100, lambda stream: self.hold(stream, WEBHOOK))

    async def idle(self) -> None:
        await self.many(2000, lambda stream: self.hold(stream, b""))

    async def slow_header(self) -> None:
        await self.many(300, lambda stream: self.drip(stream, WEBHOOK + b"X-Long: "))

    async def slow_body(self) -> None:
        head = SIGN_IN % (FORM, 8000)
        await self.many(300, lambda stream: self.drip(stream, head))

    async def unauthorized(self) -> None:
        await self.many(300, lambda stream: self.repeat(stream, WRONG))

    async def unauthorized_anew(self) -> None:
        async def once(stream: Stream) -> None:
            await exchange(stream, WRONG)

        await self.many(300, once)

    async def metrics(self) -> None:
        await self.many(200, lambda stream: self.repeat(stream, METRICS))

    async def pipelined(self) -> None:
        await self.many(100, lambda stream: self.repeat(stream, METRICS * 30))

    async def password(self) -> None:
        text = ("\u0300\u0316" * 2**18).encode()[: 2**20]
        body = PART % (b"name", b"ada") + PART % (b"password", text) + b"--x--\r\n"
        request = SIGN_IN % (MULTIPART, len(body)) + body
        short = PART % (b"name", b"ada") + PART % (b"password", text[:7000]) + b"--x--\r\n"
        small = SIGN_IN % (MULTIPART, len(short)) + short
        requests = cycle([request, small])
        await self.many(20, lambda stream: self.repeat(stream, next(requests)))

    async def forms(self) -> None:
        body = b"name=ada&password=" + b"x" * 2**20
        request = SIGN_IN % (FORM, len(body)) + body
        await self.many(300, lambda stream: self.repeat(stream, request))

    async def uploads(self) -> None:
        """For the mode `hmac`: well-formed, and wrong."""
        at = str(int(time.time())).encode()
        head = b"X-Signature: %s\r\nX-Timestamp: %s\r\nContent-Length: %d\r\n\r\n"
        head = WEBHOOK + head % (b"0" * 64, at, UPLOAD)
        part = b"x" * 2**16

        async def upload(stream: Stream) -> None:
            stream[1].write(head)
            for _ in range(UPLOAD // len(part)):
                stream[1].write(part)
                await stream[1].drain()
            await stream[0].read(100)

        await self.many(40, upload)


KINDS = (
    "half_open",
    "idle",
    "slow_header",
    "slow_body",
    "unauthorized",
    "unauthorized_anew",
    "metrics",
    "pipelined",
    "password",
    "forms",
    "uploads",
)


async def exchange(stream: Stream, request: bytes) -> None:
    """Send a request and read its answer by its length."""
    reader, writer = stream
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    if b"connection: close" in head.lower():
        raise ConnectionError


def main() -> None:
    kind, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    os.nice(10)
    attack = Attack(port, seconds)
    uvloop.run(getattr(attack, kind)())


if __name__ == "__main__":
    main()
