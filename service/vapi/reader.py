"""Reading large messages in a process beside the service: msgspec holds the interpreter while it
parses, so 32 MiB of small objects would keep every caller waiting from any thread.

Run as a module this is that process: it reads bodies from its input and writes what it read of them.
"""

import asyncio
import pickle
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO

import structlog

from service.vapi.messages import MalformedMessageError, ServerMessage, parse_message

INLINE_BYTES = 256 * 1024
"""Parsed at once: takes at most about 5 ms, whatever is in it."""
SECONDS = 10.0
SIZE = struct.Struct(">I")

log = structlog.get_logger()


class MessageReader:
    """Parses messages; large ones one at a time in a process that starts with the first of them."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.turn = asyncio.Lock()

    async def parse(self, body: bytes) -> ServerMessage:
        """Read one webhook body. Raises `MalformedMessageError`."""
        if len(body) <= INLINE_BYTES:
            return parse_message(body)
        async with self.turn:
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await self.exchange(body)
            except (OSError, EOFError, TimeoutError) as exc:
                # A message is answered whatever happens to the process: slowly for all, this once.
                log.warning("reader.failed", error=type(exc).__name__)
                self.kill()
                return parse_message(body)
        if isinstance(answer, str):
            raise MalformedMessageError(answer)
        return answer

    async def exchange(self, body: bytes) -> ServerMessage | str:
        """Let the process parse a body; a text says what is wrong with it."""
        process = await self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(SIZE.pack(len(body)))
        process.stdin.write(body)
        await process.stdin.drain()
        (size,) = SIZE.unpack(await process.stdout.readexactly(SIZE.size))
        answer: ServerMessage | str = pickle.loads(  # noqa: S301 - written by our own process
            await process.stdout.readexactly(size)
        )
        return answer

    async def start(self) -> asyncio.subprocess.Process:
        if self.process is None or self.process.returncode is not None:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service.vapi.reader"),
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


def serve(given: BinaryIO, taken: BinaryIO, parse: Callable[[bytes], ServerMessage]) -> None:
    """Answer bodies until the input ends."""
    while len(head := given.read(SIZE.size)) == SIZE.size:
        try:
            answer: ServerMessage | str = parse(given.read(SIZE.unpack(head)[0]))
        except MalformedMessageError as exc:
            answer = str(exc)
        data = pickle.dumps(answer)
        taken.write(SIZE.pack(len(data)) + data)
        taken.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, parse_message)
