"""Accepting connections: a few a round, refused before anything is built for them, and going on when the
process has no file left."""

import asyncio
import errno
import socket
import time
from contextlib import suppress

import structlog
from aiohttp import web

from service.web.connections.admission import address_of
from service.web.connections.connection import Connection
from service.web.connections.doors import Doors
from service.web.connections.straight_parser import Straight
from service.web.headers import as_bytes, handler_of

BACKLOG = 1024
ACCEPTED_A_ROUND = 24
ADMITTED_A_ROUND = 8
PAUSE_SECONDS = 0.05
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BUSY = b"".join(
    [
        b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n",
        as_bytes(),
        b"Content-Length: 0\r\n\r\n",
    ]
)

log = structlog.get_logger()


class Listener:
    """Accepts on a bound socket and serves each connection with `server`, aiohttp's."""

    def __init__(
        self,
        listening: socket.socket,
        server: web.Server,
        doors: Doors,
        straight: Straight | None = None,
    ) -> None:
        self.listening = listening
        self.server = server
        self.doors = doors
        self.straight = straight
        self.loop = asyncio.get_running_loop()
        self.opening = set[asyncio.Task[object]]()
        self.closed = False

    def start(self) -> None:
        self.listening.setblocking(False)
        self.listening.listen(BACKLOG)
        self.resume()

    def resume(self) -> None:
        if not self.closed:
            self.loop.add_reader(self.listening.fileno(), self.accept)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.loop.remove_reader(self.listening.fileno())
            self.listening.close()

    def accept(self) -> None:
        """Take what waits in the kernel, within the limits of a round."""
        admitted = 0
        for _ in range(ACCEPTED_A_ROUND):
            try:
                accepted, peer = self.listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                self.out_of_files(exc)
                return
            address = address_of(peer)
            refusal = self.doors.admission.judge(address, time.monotonic())
            if refusal is not None:
                self.doors.refuse(refusal, address)
                self.turn_away(accepted)
                continue
            self.open(accepted, address)
            admitted += 1
            if admitted == ADMITTED_A_ROUND:
                return

    def out_of_files(self, exc: OSError) -> None:
        """Make room where that is possible; else let the kernel hold new connections for a moment."""
        if exc.errno not in OUT_OF_FILES:
            log.error("connection.accept_failed", error=exc.strerror)
        self.doors.refuse("files", "")
        self.doors.admission.shed_for_files()
        self.loop.remove_reader(self.listening.fileno())
        self.loop.call_later(PAUSE_SECONDS, self.resume)

    def turn_away(self, accepted: socket.socket) -> None:
        """Answer 503 if the kernel takes it at once, and close."""
        with suppress(OSError):
            accepted.setblocking(False)
            accepted.send(BUSY)
        accepted.close()

    def open(self, accepted: socket.socket, address: str) -> None:
        accepted.setblocking(False)
        connection = Connection(self.doors, handler_of(self.server), address, self.straight)
        self.doors.admission.add(connection)
        task: asyncio.Task[object] = self.loop.create_task(self.connect(accepted, connection))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def connect(self, accepted: socket.socket, connection: Connection) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            self.doors.admission.remove(connection)
            accepted.close()


class GuardedSite(web.BaseSite):
    """A site of aiohttp's runner whose connections go through the doors."""

    def __init__(
        self,
        runner: web.BaseRunner,
        listening: socket.socket,
        doors: Doors,
        straight: Straight | None = None,
    ) -> None:
        super().__init__(runner, backlog=BACKLOG)
        self.listening = listening
        self.doors = doors
        self.straight = straight
        self.listener: Listener | None = None

    @property
    def name(self) -> str:
        host, port = self.listening.getsockname()[:2]
        return f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert server is not None
        self.listener = Listener(self.listening, server, self.doors, self.straight)
        self.doors.start()
        self.listener.start()

    async def stop(self) -> None:
        """Accept no more; connections that are open stay."""
        if self.listener is not None:
            self.listener.close()
        await super().stop()
