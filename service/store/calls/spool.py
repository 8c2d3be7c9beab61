"""The spool: keeps records on this machine's disk while PostgreSQL cannot take them.

A reply is sent only once its record is in PostgreSQL or here, so that a crash loses neither. There is
one file a process; the next process takes over the files of dead ones. Spools of several replicas may be
drained in any order: records of one call merge by rule (`records`, `closing`). If the disk accepts no
writes, records stay in memory: one record at risk is better than rejecting a caller.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from service.background import BackgroundLoop
from service.domain.calls import CallEnd, CallKey, NewCall
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.calls.spool_notes import Notes, NotesFile, open_locked, write_whole
from service.store.failures import REFUSED
from service.store.pool import UNAVAILABLE

DRAIN_SECONDS = 1.0
BATCH = 200
ENDS_AT_ONCE = 4
"""Ends of a file, in any order: each takes several round trips, which a slow network makes long."""

log = structlog.get_logger()


class Entry(msgspec.Struct, omit_defaults=True):
    """One line of the file: a new call or the end of one."""

    call: NewCall | None = None
    end: CallEnd | None = None


DECODER = msgspec.json.Decoder(Entry)


class Spool:
    """An append-only file and the task that empties it into PostgreSQL."""

    def __init__(self, folder: Path, calls: CallStore) -> None:
        self.folder = folder
        self.calls = calls
        self.lock = asyncio.Lock()
        self.path: Path | None = None
        self.file: int | None = None
        self.fresh = 0
        self.lines: list[bytes] = []
        self.unwritten: list[bytes] = []
        self.left: dict[Path, int] = {}
        self.notes = Notes(folder)
        self.on_stored: Callable[[Mapping[CallKey, StoredDecision]], None] = lambda _stored: None
        """Called with the stored decisions of drained calls that had been recorded already."""

    @property
    def waiting(self) -> int:
        """How many entries are not in PostgreSQL yet."""
        return self.fresh + len(self.unwritten) + sum(self.left.values())

    async def keep(self, entry: Entry) -> None:
        """Write an entry to disk; it is safe when this returns. Waiting entries share one write."""
        self.lines.append(encode(entry))
        self.fresh += 1
        async with self.lock:
            if not self.lines:
                return
            lines, self.lines = self.lines, []
            try:
                await asyncio.to_thread(self.append, b"".join(lines))
            except OSError as exc:
                log.error("spool.not_written", error=type(exc).__name__, entries=len(lines))
                self.fresh -= len(lines)
                self.unwritten += lines

    def note(self, entry: Entry) -> NotesFile | None:
        """Note an entry on its way to PostgreSQL, so that a killed process loses nothing."""
        return self.notes.add(encode(entry))

    def append(self, lines: bytes) -> None:
        if self.file is None:
            self.path, self.file = open_locked(self.folder)
        write_whole(self.file, lines)
        os.fdatasync(self.file)

    def background(self) -> BackgroundLoop:
        """Drains the spool every second."""
        return BackgroundLoop("spool", self.drain, interval=DRAIN_SECONDS, outages=UNAVAILABLE)

    async def drain(self) -> None:
        """Take over the files of processes that are gone, then empty our own."""
        for path in await asyncio.to_thread(self.find_abandoned):
            await self.drain_file(path)
        if self.waiting:
            await self.drain_own()

    def find_abandoned(self) -> list[Path]:
        """Files of dead processes: no process holds their lock."""
        self.left = {path: count for path, count in self.left.items() if path.exists()}
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            if path == self.path or path in self.notes.pages:
                continue  # our own: a second descriptor would get the lock
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
        """Empty our file. New entries go to a new file, so that no caller waits for PostgreSQL.

        If PostgreSQL does not take the entries, the old file is an abandoned one and is retried.
        """
        async with self.lock:
            path, file, count = self.path, self.file, self.fresh - len(self.lines)
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
        unwritten = list(self.unwritten)
        await self.write(b"".join(unwritten))
        del self.unwritten[: len(unwritten)]

    async def drain_file(self, path: Path) -> None:
        """Empty and delete a file. Two replicas may do it at once: an entry is recorded once."""
        await self.write(await asyncio.to_thread(path.read_bytes))
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self.left.pop(path, None)

    async def write(self, content: bytes) -> None:
        """Write entries to PostgreSQL. A line cut short by a crash was never acknowledged."""
        entries: list[Entry] = []
        for line in content.splitlines():
            try:
                entries.append(DECODER.decode(line))
            except msgspec.MsgspecError:
                log.warning("spool.line_unreadable")
        calls = [entry.call for entry in entries if entry.call is not None]
        for start in range(0, len(calls), BATCH):
            await self.record_all(calls[start : start + BATCH])
        ends = [entry.end for entry in entries if entry.end is not None]
        for start in range(0, len(ends), ENDS_AT_ONCE):
            await self.record_ends(ends[start : start + ENDS_AT_ONCE])
        if entries:
            log.info("spool.drained", entries=len(entries))

    async def record_all(self, calls: Sequence[NewCall]) -> None:
        """Record a batch. A record that PostgreSQL rejects is quarantined and blocks no other."""
        try:
            for distinct in split_by_key(calls):
                _, stored = await self.calls.record_calls(distinct)
                self.on_stored(stored)
        except REFUSED as exc:
            if len(calls) > 1:
                for call in calls:
                    await self.record_all([call])
                return
            await self.refuse(Entry(call=calls[0]), calls[0].vapi_call_id, str(exc))

    async def record_ends(self, ends: Sequence[CallEnd]) -> None:
        """Record ends at once. Raises the first error when all are done."""
        results = await asyncio.gather(*map(self.record_end, ends), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def record_end(self, end: CallEnd) -> None:
        """Record an end; one that PostgreSQL rejects, or whose call nothing tells of, is quarantined."""
        try:
            if await self.calls.record_end(end) == "unknown":
                await self.refuse(Entry(end=end), end.vapi_call_id, "no such call")
        except REFUSED as exc:
            await self.refuse(Entry(end=end), end.vapi_call_id, str(exc))

    async def refuse(self, entry: Entry, call_id: str, error: str) -> None:
        log.error("spool.record_refused", call_id=call_id, error=error[:200])
        await asyncio.to_thread(self.quarantine, encode(without_url(entry)))

    def quarantine(self, line: bytes) -> None:
        """Keep a rejected record for an operator, in a private file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self.folder / "refused", flags, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def close(self) -> None:
        """Release the files; an empty one is deleted."""
        self.notes.close()
        if self.file is not None and self.path is not None:
            if os.fstat(self.file).st_size == 0:
                self.path.unlink(missing_ok=True)
            os.close(self.file)
        self.file = None


def split_by_key(calls: Sequence[NewCall]) -> list[list[NewCall]]:
    """Batches in which each call occurs once: a second record of it may bring its end."""
    batches: list[dict[CallKey, NewCall]] = []
    for call in calls:
        batch = next((one for one in batches if call.key not in one), None)
        if batch is None:
            batches.append(batch := {})
        batch[call.key] = call
    return [list(batch.values()) for batch in batches]


def without_url(entry: Entry) -> Entry:
    """A record without its control URL: a rejected one outlives its call."""
    call, end = entry.call, entry.end
    if call is not None:
        call = replace(call, control_url=None)
    if end is not None and end.call is not None:
        end = replace(end, call=replace(end.call, control_url=None))
    return Entry(call, end)


def encode(entry: Entry) -> bytes:
    """An entry as its line."""
    return msgspec.json.encode(entry) + b"\n"
