"""Servers of organizations on real sockets, each bad in its own way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWER = b'{"assistantId": "theirs"}'
LARGE = 50 * 2**20
CHUNK = b"x" * 2**16


@dataclass
class ClientServer:
    """A server and the requests that reached it, as head and body."""

    port: int
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def well(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)


async def well_and_close(writer: asyncio.StreamWriter) -> None:
    """Answer, so that the next request needs a new connection."""
    head = OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
    writer.write(head + ANSWER)
    await writer.drain()
    writer.close()


async def in_two_segments(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER[:9])
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.write(ANSWER[9:])


async def one_byte_a_second(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(ANSWER))
    for byte in ANSWER:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def fifty_megabytes(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % LARGE)
    for _ in range(LARGE // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()


async def close_at_once(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def never(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(600)


async def redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 307 x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")


async def compressed(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        well,
        well_and_close,
        in_two_segments,
        one_byte_a_second,
        fifty_megabytes,
        close_at_once,
        never,
        redirect,
        compressed,
    )
}


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One request with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head, await reader.readexactly(length)


@asynccontextmanager
async def client_server(answer: Answer | str, port: int = 0) -> AsyncIterator[ClientServer]:
    """A running server that treats every request in one way."""
    act = ANSWERS[answer] if isinstance(answer, str) else answer
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        found.open += 1
        found.most_open = max(found.most_open, found.open)
        try:
            while not writer.is_closing():
                found.requests.append(await read_request(reader))
                await act(writer)
                await writer.drain()
        except asyncio.CancelledError:
            # A close would wait for the other side to read what is still in the buffer.
            writer.transport.abort()
        except (asyncio.IncompleteReadError, OSError, RuntimeError):
            pass  # uvloop raises RuntimeError where the other side has closed
        finally:
            found.open -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    found = ClientServer(server.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        server.close()
        # Connections that were just accepted have a transport, but their task has not begun.
        await asyncio.sleep(0.01)
        for task in tasks:
            if task is not None:
                task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await asyncio.sleep(0)
