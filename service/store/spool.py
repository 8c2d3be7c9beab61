"""The spool: records that PostgreSQL could not take, on this machine's disk until it can.

A reply is only sent when its record is in PostgreSQL or here, so that a crash loses neither. One
file a process; the file of a process that is gone is taken over by the next one that starts.
"""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import structlog

from service.domain.calls import CallEnd, NewCall
from service.store.calls import record_calls, record_end
from service.store.pool import UNAVAILABLE, Pool

DRAIN_SECONDS = 1.0
BATCH = 200

log = structlog.get_logger()


class Entry(msgspec.Struct, omit_defaults=True):
    """One line of the file: a new call or the end of one."""

    call: NewCall | None = None
    end: CallEnd | None = None


DECODER = msgspec.json.Decoder(Entry)


class Spool:
    """An append-only file and the task that empties it into PostgreSQL."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self.folder = folder
        self.pool = pool
        self.lock = asyncio.Lock()
        self.path = folder / f"{uuid4()}.jsonl"
        self.file: int | None = None
        self.waiting = 0
        self.noted = 0
        self.lines: list[bytes] = []

    async def keep(self, entry: Entry) -> None:
        """Write an entry to disk; it is safe when this returns. What waits goes in one write."""
        self.lines.append(msgspec.json.encode(entry) + b"\n")
        self.waiting += 1
        async with self.lock:
            if self.lines:
                lines, self.lines = self.lines, []
                await asyncio.to_thread(self.append, b"".join(lines))

    def note(self, entry: Entry) -> None:
        """Note an entry that PostgreSQL is just taking, so that a killed process loses nothing.

        It is in the system's hands when this returns, not yet on the disk: `settle` follows within
        seconds.
        """
        self.open()
        assert self.file is not None, "opened above"
        os.write(self.file, msgspec.json.encode(entry) + b"\n")
        self.noted += 1

    def settle(self, *, taken: bool) -> None:
        """PostgreSQL has taken a noted entry; or has not, and the file is to be emptied."""
        self.noted -= 1
        if not taken:
            self.waiting += 1
        elif not (self.noted or self.waiting or self.lock.locked()) and self.file is not None:
            os.ftruncate(self.file, 0)

    def open(self) -> None:
        if self.file is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, lines: bytes) -> None:
        self.open()
        assert self.file is not None, "opened above"
        os.write(self.file, lines)
        os.fdatasync(self.file)

    async def run(self) -> None:
        """Take over what gone processes left, then empty our own file whenever it has something."""
        while True:
            try:
                for path in await asyncio.to_thread(self.left_behind):
                    await self.drain_file(path)
                if self.waiting:
                    await self.drain_own()
            except UNAVAILABLE:
                pass
            except Exception:
                log.exception("spool.failed")
            await asyncio.sleep(DRAIN_SECONDS)

    def left_behind(self) -> list[Path]:
        """Files that nobody holds."""
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            if path == self.path:
                continue  # our own; a second descriptor would not tell
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
        return found

    async def drain_own(self) -> None:
        """Empty our file. New entries go to a new one, so that nobody waits for PostgreSQL; if it does
        not take them, the old one is one that nobody holds, and its turn comes again."""
        async with self.lock:
            path, file = self.path, self.file
            self.path, self.file = self.folder / f"{uuid4()}.jsonl", None
            self.waiting = 0
        if file is None:
            return
        try:
            await self.drain_file(path)
        finally:
            os.close(file)

    async def drain_file(self, path: Path) -> None:
        """Empty and remove another's file. Two replicas doing it at once is harmless: every entry
        is recorded at most once."""
        await self.write(await asyncio.to_thread(path.read_bytes))
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def write(self, content: bytes) -> None:
        """Bring entries into PostgreSQL. A line cut short by a crash was never answered for."""
        entries: list[Entry] = []
        for line in content.splitlines():
            try:
                entries.append(DECODER.decode(line))
            except msgspec.MsgspecError:
                log.warning("spool.line_unreadable")
        calls = [entry.call for entry in entries if entry.call is not None]
        for start in range(0, len(calls), BATCH):
            await self.record_all(calls[start : start + BATCH])
        for entry in entries:
            if entry.end is not None:
                await record_end(self.pool, entry.end)
        if entries:
            log.info("spool.drained", entries=len(entries))

    async def record_all(self, calls: Sequence[NewCall]) -> None:
        """Record a batch. One that PostgreSQL will never take is put aside, not lost, and does not
        hold up the others."""
        try:
            await self.record(calls)
        except asyncpg.DataError as exc:
            if len(calls) > 1:
                for call in calls:
                    await self.record_all([call])
                return
            log.error("spool.record_refused", call_id=calls[0].vapi_call_id, error=str(exc)[:200])
            line = msgspec.json.encode(Entry(call=calls[0])) + b"\n"
            await asyncio.to_thread(self.put_aside, line)

    def put_aside(self, line: bytes) -> None:
        """For a person to look at; only for ourselves to read: it may hold a control URL."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self.folder / "refused", flags, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    async def record(self, calls: Sequence[NewCall]) -> None:
        unique = {call.vapi_call_id: call for call in reversed(calls)}
        async with self.pool.acquire() as connection:
            await record_calls(connection, list(unique.values()))

    def close(self) -> None:
        """Give the file up; an empty one is removed."""
        if self.file is not None:
            if os.fstat(self.file).st_size == 0:
                self.path.unlink(missing_ok=True)
            os.close(self.file)
            self.file = None
