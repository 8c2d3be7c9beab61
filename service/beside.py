"""Work on large documents in a process beside the service: parsers and regular expressions hold the
interpreter while they run, so that a large document would keep every caller waiting from any thread.

Run as a module this is that process: it reads requests from its input and writes the results.
"""

import asyncio
import importlib
import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO

import structlog

PIECE = 256 * 1024
"""Bytes that are handed to the process, and taken from it, in one turn of the event loop."""
HEAD = struct.Struct(">II")

Work = Callable[..., bytes]

log = structlog.get_logger()


class BesideError(Exception):
    """The process did not do the work in time, or ended."""


class WorkProcess:
    """Runs one function of a module, one document at a time, in a process that starts with the first.

    The function takes a document and arguments that can be pickled, and returns bytes.
    """

    def __init__(self, work: Work, seconds: float = 10.0) -> None:
        self.target = work.__module__, work.__qualname__
        self.seconds = seconds
        self.process: asyncio.subprocess.Process | None = None
        self.turn = asyncio.Lock()

    async def run(self, document: bytes, *args: object) -> bytes:
        """The function's result. Raises `BesideError`, after which the next document finds a new
        process."""
        async with self.turn:
            try:
                async with asyncio.timeout(self.seconds):
                    return await self.exchange(document, pickle.dumps(args))
            except (OSError, EOFError, TimeoutError) as exc:
                log.warning("beside.failed", work=self.target[1], error=type(exc).__name__)
                self.kill()
                raise BesideError from exc
            except BaseException:
                # Cancelled halfway: the process would take the rest for the next request.
                self.kill()
                raise

    async def exchange(self, document: bytes, args: bytes) -> bytes:
        process = await self.start()
        assert process.stdin is not None
        process.stdin.write(HEAD.pack(len(args), len(document)) + args)
        view = memoryview(document)
        for start in range(0, len(document), PIECE):
            process.stdin.write(view[start : start + PIECE])
            await process.stdin.drain()
        assert process.stdout is not None
        _, size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
        return await read_pieces(process.stdout, size)

    async def start(self) -> asyncio.subprocess.Process:
        if self.process is None or self.process.returncode is not None:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service.beside", *self.target),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": ":".join(sys.path)},
            )
        return self.process

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        self.process = None

    async def close(self) -> None:
        """End the process; it also ends by itself when the service is gone."""
        process = self.process
        self.kill()
        if process is not None:
            await process.wait()


async def read_pieces(stream: asyncio.StreamReader, size: int) -> bytes:
    """So many bytes, copied a piece at a time. Raises `EOFError`."""
    found = io.BytesIO()
    while size > 0:
        piece = await stream.read(min(size, PIECE))
        if not piece:
            raise EOFError
        found.write(piece)
        size -= len(piece)
    return found.getvalue()


def serve(given: BinaryIO, taken: BinaryIO, work: Work) -> None:
    """Answer requests until the input ends."""
    while len(head := given.read(HEAD.size)) == HEAD.size:
        args, document = (given.read(size) for size in HEAD.unpack(head))
        result = work(document, *pickle.loads(args))  # noqa: S301 - written by the service
        taken.write(HEAD.pack(0, len(result)))
        taken.write(result)
        taken.flush()


if __name__ == "__main__":
    serve(
        sys.stdin.buffer,
        sys.stdout.buffer,
        getattr(importlib.import_module(sys.argv[1]), sys.argv[2]),
    )
