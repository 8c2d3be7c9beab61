"""One page of metrics for all workers of a port: the kernel chooses who is asked, and that one asks the
others.

Each worker gives its own samples on a socket in a folder that only this user can open. On the page each
sample has the number of its worker as a label. A worker that does not answer in time is left out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

SECONDS = 2.0

log = structlog.get_logger()


@dataclass(slots=True)
class WorkerMetrics:
    """The metrics of this worker, whose number is the name of `socket`, and of those beside it."""

    socket: Path
    own: Callable[[], Awaitable[bytes]]
    server: asyncio.Server | None = None

    async def start(self) -> None:
        """Give the own metrics to other workers. Where that is impossible the log says so."""
        try:
            self.server = await asyncio.start_unix_server(self.answer, self.socket)
        except OSError as exc:
            log.warning("metrics.not_shared", socket=str(self.socket), error=str(exc))

    async def answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write the own metrics, and end."""
        with suppress(OSError):
            writer.write(await self.own())
            await writer.drain()
        writer.close()

    async def gather(self) -> bytes:
        """The metrics of all workers on one page."""
        beside = (one.name for one in self.socket.parent.iterdir())
        names = sorted({self.socket.name, *beside}, key=int)
        pages = await asyncio.gather(*(self.ask(name) for name in names))
        return merge({name: page for name, page in zip(names, pages, strict=True) if page})

    async def ask(self, name: str) -> bytes:
        """The metrics of one worker; none if it does not answer."""
        if name == self.socket.name:
            return await self.own()
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.socket.with_name(name))
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except OSError:
            return b""

    def stop(self) -> None:
        """Answer no longer."""
        if self.server is not None:
            self.server.close()
        self.socket.unlink(missing_ok=True)


def merge(pages: Mapping[str, bytes]) -> bytes:
    """Pages in Prometheus' text format as one, each sample with the label `worker`."""
    heads: dict[str, dict[str, None]] = {}
    samples: dict[str, list[str]] = {}
    for worker, page in pages.items():
        name = ""
        for line in page.decode().splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
                heads.setdefault(name, {})[line] = None
            else:
                samples.setdefault(name, []).append(labelled(line, worker))
    lines = (line for name in heads for line in (*heads[name], *samples.get(name, ())))
    return "".join(f"{line}\n" for line in lines).encode()


def labelled(sample: str, worker: str) -> str:
    """A sample with one label more: `name value`, or `name{label="…"} value`."""
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'
