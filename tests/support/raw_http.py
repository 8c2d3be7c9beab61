"""HTTP as bytes: a client that sends what a test says, however wrong, and reads what comes back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RawReply:
    """One reply; `headers` with small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class RawConnection:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> "RawConnection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, parts: Sequence[bytes]) -> None:
        """Send the parts, each in a segment of its own."""
        for place, part in enumerate(parts):
            if place:
                await asyncio.sleep(0.01)
            self.writer.write(part)
            await self.writer.drain()

    async def read(self, *, bodiless: bool = False) -> RawReply | None:
        """The next reply; None when the server has closed. `bodiless`: to HEAD."""
        async with asyncio.timeout(SECONDS):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            line, *lines = head.decode().strip().split("\r\n")
            headers = dict(one.lower().split(": ", 1) for one in lines)
            status = int(line.split()[1])
            length = 0 if bodiless or status < 200 else int(headers.get("content-length", 0))
            return RawReply(status, headers, await self.reader.readexactly(length))

    def close(self) -> None:
        self.writer.close()


def request(
    body: bytes,
    *headers: tuple[str, str],
    line: str = "POST /api/vapi/webhook HTTP/1.1",
    chunked: bool = False,
) -> bytes:
    """A request with its `Host` and what frames the body."""
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    named = [("Host", "gate"), *headers, framing]
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in named)])
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return head.encode() + b"\r\n\r\n" + body
