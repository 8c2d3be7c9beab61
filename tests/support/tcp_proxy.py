"""A TCP proxy in front of PostgreSQL that harms connections as networks do.

Faults hold for the connections that a test chooses: by their order, or by what PostgreSQL's startup
packet says of them (`application_name`, `user`, `database`). What is chosen is judged at each chunk, so
a fault that begins hits the connections that exist, and one that ends frees them.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

PROTOCOL_3 = 196608
CHUNK = 2**16

FaultKind = Literal["stall", "black_hole", "refuse", "delay"]
"""`stall`: bytes wait until the fault ends. `black_hole`: bytes are lost and the connection stays open,
even after the fault: half-open. `refuse`: new connections are reset. `delay`: each chunk arrives
`seconds` later."""


@dataclass(eq=False, slots=True)
class ProxiedConnection:
    """One connection through the proxy. `number` counts from 0; `parameters` came with its start."""

    number: int
    parameters: Mapping[str, str]
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: bool = False
    """Bytes were lost in a black hole: what follows would make no sense, so nothing passes again."""

    @property
    def application_name(self) -> str:
        return self.parameters.get("application_name", "")

    def cut(self) -> None:
        """Reset both sides."""
        for writer in (self.client, self.server):
            writer.transport.abort()


Chosen = Callable[[ProxiedConnection], bool]


def every(_connection: ProxiedConnection) -> bool:
    """Choose every connection."""
    return True


def named(*names: str) -> Chosen:
    """Choose the connections with one of these application names."""
    return lambda connection: connection.application_name in names


@dataclass(eq=False, slots=True)
class Fault:
    """A fault that holds for the chosen connections until `over` is set."""

    kind: FaultKind
    chosen: Chosen
    seconds: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)


class TcpProxy:
    """Listens on a port of 127.0.0.1 and passes bytes on to the server of `target`, a DSN."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.port = 0
        self.connections: list[ProxiedConnection] = []
        self.faults: list[Fault] = []
        self.accepted = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def dsn(self) -> str:
        """The same database, reached through the proxy."""
        parts = urlsplit(self.target)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return f"{parts.scheme}://{user}127.0.0.1:{self.port}{parts.path}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server: by its Unix socket if the DSN names one."""
        parts = urlsplit(self.target)
        folder = parse_qs(parts.query).get("host", [""])[0]
        port = parts.port or int(parse_qs(parts.query).get("port", ["5432"])[0])
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        return await asyncio.open_connection(parts.hostname or folder or "127.0.0.1", port)

    def cut(self, chosen: Chosen = every) -> int:
        """Reset the chosen connections; returns how many."""
        found = [one for one in self.connections if chosen(one)]
        for connection in found:
            connection.cut()
        return len(found)

    @contextmanager
    def fault(
        self, kind: FaultKind, chosen: Chosen = every, seconds: float = 0.0
    ) -> Iterator[Fault]:
        """Harm the chosen connections for the time of the context."""
        fault = Fault(kind, chosen, seconds)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)
            fault.over.set()

    def find_fault(self, connection: ProxiedConnection) -> Fault | None:
        """The fault that holds for a connection now, the latest of several."""
        return next((one for one in reversed(self.faults) if one.chosen(connection)), None)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task of its own."""
        task = asyncio.create_task(self.serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, from its first bytes to its end."""
        try:
            head = await read_startup(reader, writer)
            server_reader, server = await self.connect()
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        connection = ProxiedConnection(self.accepted, parse_startup(head), writer, server)
        self.accepted += 1
        self.connections.append(connection)
        try:
            fault = self.find_fault(connection)
            if fault is not None and fault.kind == "refuse":
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self.pump(connection, reader, server, head))
                group.create_task(self.pump(connection, server_reader, writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.remove(connection)
            connection.cut()

    async def pump(
        self,
        connection: ProxiedConnection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chunk: bytes = b"",
    ) -> None:
        """Pass bytes in one direction; an end of it ends both."""
        while chunk or (chunk := await reader.read(CHUNK)):
            if await self.passes(connection):
                if writer.is_closing():  # uvloop raises a RuntimeError for a write to a closed one
                    raise ConnectionResetError
                writer.write(chunk)
                await writer.drain()
            chunk = b""
        if connection.lost:
            # The other side must not learn of the end either.
            await asyncio.Event().wait()
        raise ConnectionResetError

    async def passes(self, connection: ProxiedConnection) -> bool:
        """Whether a chunk arrives; waits as long as the fault makes it wait."""
        while fault := self.find_fault(connection):
            if fault.kind == "black_hole":
                connection.lost = True
            if fault.kind == "stall":
                await fault.over.wait()
                continue
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            break
        return not connection.lost

    async def close(self) -> None:
        """Cut every connection and wait for their tasks."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The startup packet of a PostgreSQL client; requests for encryption are declined before it."""
    while True:
        length, code = struct.unpack("!ii", head := await reader.readexactly(8))
        if length == 8:
            writer.write(b"N")
            continue
        if code != PROTOCOL_3:
            # A cancel request, or another protocol: it has no parameters.
            return head + (await reader.readexactly(max(length - 8, 0)) if length < 2**16 else b"")
        return head + await reader.readexactly(length - 8)


def parse_startup(head: bytes) -> dict[str, str]:
    """The parameters of a startup packet; none for a cancel request."""
    if struct.unpack("!i", head[4:8])[0] != PROTOCOL_3:
        return {}
    texts = head[8:].rstrip(b"\0").decode().split("\0")
    return dict(zip(texts[::2], texts[1::2], strict=False))


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[TcpProxy]:
    """A proxy that listens; everything that uses `proxy.dsn` goes through it, until it closes."""
    proxy = TcpProxy(dsn)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await server.wait_closed()
