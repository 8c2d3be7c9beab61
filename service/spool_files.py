"""Files that keep lines on this machine's disk until PostgreSQL takes them: what spools share.

There is one file a process at a time; the next process takes over the files of dead ones, which no
process holds a lock of.
"""

import asyncio
import fcntl
import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import structlog

PIECE = 16 * 2**20
"""How much of a file is read at once."""
COUNTED = 2**18
"""How much of a file is searched for ends of lines while other threads wait."""

log = structlog.get_logger()


def open_locked(folder: Path) -> tuple[Path, int]:
    """Create a file that is locked before it gets the name by which other processes find it.

    Names are in the order of time, so that a call comes before its end.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{uuid4()}"
    path, hidden = folder / f"{name}.jsonl", folder / f"{name}.new"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    file = os.open(hidden, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except OSError:
        os.close(file)
        raise
    return path, file


def write_whole(file: int, lines: bytes) -> None:
    """Append all lines or none: half a line would corrupt the next one."""
    size = os.fstat(file).st_size
    try:
        written = 0
        while written < len(lines):
            written += os.write(file, lines[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


@dataclass(slots=True)
class SpoolBatch:
    """Lines that share one write, by a task that returns whether the disk took them."""

    lines: list[bytes] = field(default_factory=list)
    writing: asyncio.Task[bool] | None = None


class SpoolFiles(ABC):
    """An append-only file of lines, and what empties it into PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = asyncio.Lock()
        self.path: Path | None = None
        self.file: int | None = None
        self.fresh = 0
        self.next = SpoolBatch()
        self.left: dict[Path, int] = {}
        self.inherited: dict[Path, int] = {}
        """The lines of files of dead processes, which no other process counts."""

    @property
    def on_disk(self) -> int:
        """How many lines are in the files of this process and of dead ones, or about to be."""
        ours = self.fresh + len(self.next.lines) + sum(self.left.values())
        return ours + sum(self.inherited.values())

    async def add(self, line: bytes) -> bool:
        """Write a line to the disk; waiting lines share one write. False if the disk refused it."""
        batch = self.next
        batch.lines.append(line)
        if batch.writing is None:
            batch.writing = asyncio.create_task(self.write_next())
        # A thread cannot be cancelled: it would go on beside the next writer, whose lines it might cut
        # off when the disk is full.
        return await asyncio.shield(batch.writing)

    async def write_next(self) -> bool:
        async with self.lock:
            batch, self.next = self.next, SpoolBatch()
            return await self.write_batch(batch.lines)

    async def write_batch(self, lines: list[bytes]) -> bool:
        self.fresh += len(lines)
        try:
            await asyncio.to_thread(self.append, b"".join(lines))
        except OSError as exc:
            log.error("spool.not_written", error=type(exc).__name__, entries=len(lines))
            self.fresh -= len(lines)
            return False
        return True

    def append(self, lines: bytes) -> None:
        if self.file is None:
            self.path, self.file = open_locked(self.folder)
        write_whole(self.file, lines)
        os.fdatasync(self.file)

    async def drain_abandoned(self) -> None:
        """Take over the files of processes that are gone."""
        for path in await asyncio.to_thread(self.find_abandoned):
            await self.drain_file(path)

    def is_own(self, path: Path) -> bool:
        """Whether a file is one that this process writes to: a second descriptor would get the lock."""
        return path == self.path

    def find_abandoned(self) -> list[Path]:
        """Files of dead processes: no process holds their lock."""
        self.left = {path: count for path, count in self.left.items() if path.exists()}
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            if self.is_own(path):
                continue
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(path)
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)
        known = self.inherited
        self.inherited = {
            path: known[path] if path in known else count_lines(path)
            for path in found
            if path not in self.left
        }
        return found

    async def drain_own(self) -> None:
        """Empty our file. New lines go to a new file, so that no caller waits for PostgreSQL.

        If PostgreSQL does not take the lines, the old file is an abandoned one and is retried.
        """
        async with self.lock:
            path, file, count = self.path, self.file, self.fresh
            self.path, self.file = None, None
            self.fresh -= count
            if path is not None:
                self.left[path] = count
        try:
            if path is not None:
                await self.drain_file(path)
        finally:
            if file is not None:
                os.close(file)

    async def drain_file(self, path: Path) -> None:
        """Empty and delete a file. Two replicas may do it at once: a line is recorded once."""
        place = 0
        while piece := await asyncio.to_thread(read_piece, path, place):
            await self.write(piece)
            place += len(piece)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self.left.pop(path, None)
        self.inherited.pop(path, None)

    @abstractmethod
    async def write(self, content: bytes) -> None:
        """Write whole lines to PostgreSQL. A line cut short by a crash was never acknowledged."""

    def close(self) -> None:
        """Release the file; an empty one is deleted."""
        if self.file is not None and self.path is not None:
            if os.fstat(self.file).st_size == 0:
                self.path.unlink(missing_ok=True)
            os.close(self.file)
        self.file = None


def count_lines(path: Path) -> int:
    """How many whole lines a file has; none if another replica deleted it."""
    count = 0
    with suppress(FileNotFoundError), path.open("rb") as file:
        while piece := file.read(COUNTED):
            count += piece.count(b"\n")
    return count


def read_piece(path: Path, place: int) -> bytes:
    """The lines of a file from a place on, as many as fit into a piece, and at least one; none at its
    end, or if another replica emptied and deleted it. The file is closed while they are written."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            piece = file.read(PIECE)
            return piece + (b"" if piece.endswith(b"\n") else file.readline())
    except FileNotFoundError:
        return b""
