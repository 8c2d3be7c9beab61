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
from service.spool_files import SpoolFiles, write_whole
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.calls.privacy.spool_files import REJECTED
from service.store.calls.spool_notes import Notes, NotesFile
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


class Spool(SpoolFiles):
    """The records in files of their own, and the task that empties them into PostgreSQL."""

    def __init__(self, folder: Path, calls: CallStore) -> None:
        super().__init__(folder)
        self.calls = calls
        self.unwritten: list[bytes] = []
        self.notes = Notes(folder)
        self.on_stored: Callable[[Mapping[CallKey, StoredDecision]], None] = lambda _stored: None
        """Called with the stored decisions of drained calls that had been recorded already."""
        self.on_refused: Callable[[str], None] = lambda _call_id: None
        """Called with a call that PostgreSQL rejects."""

    @property
    def waiting(self) -> int:
        """How many entries are not in PostgreSQL yet."""
        return self.on_disk + len(self.unwritten)

    async def keep(self, entry: Entry) -> None:
        """Write an entry to disk; it is safe when this returns."""
        line = encode(entry)
        if not await self.add(line):
            self.unwritten.append(line)

    def note(self, entry: Entry) -> NotesFile | None:
        """Note an entry on its way to PostgreSQL, so that a killed process loses nothing."""
        return self.notes.add(encode(entry))

    def background(self) -> BackgroundLoop:
        """Drains the spool every second."""
        return BackgroundLoop("spool", self.drain, interval=DRAIN_SECONDS, outages=UNAVAILABLE)

    def is_own(self, path: Path) -> bool:
        """Whether a file is one that this process writes to."""
        return super().is_own(path) or path in self.notes.pages

    async def drain(self) -> None:
        """Take over the files of processes that are gone, then empty our own."""
        await self.drain_abandoned()
        if self.waiting:
            await self.drain_own()
            unwritten = list(self.unwritten)
            await self.write(b"".join(unwritten))
            del self.unwritten[: len(unwritten)]

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
            self.on_refused(calls[0].vapi_call_id)

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
        """Keep a rejected record for an operator, in a private file: whole, or else its line stays in
        the spool. Raises `OSError`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self.folder / REJECTED, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            write_whole(file, line)
            os.fdatasync(file)
        finally:
            os.close(file)

    def close(self) -> None:
        """Release the files; an empty one is deleted."""
        self.notes.close()
        super().close()


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
    """A record without its control URL and its caller's number: a rejected one outlives its call."""
    call, end = entry.call, entry.end
    if call is not None:
        call = bare(call)
    if end is not None:
        details = replace(end.details, customer_number=None)
        end = replace(
            end, call=None if end.call is None else bare(end.call), details=details, transcript=None
        )
    return Entry(call, end)


def bare(call: NewCall) -> NewCall:
    """A call without what an operator's file must not hold."""
    return replace(
        call, control_url=None, transcript=None, details=replace(call.details, customer_number=None)
    )


def encode(entry: Entry) -> bytes:
    """An entry as its line."""
    return msgspec.json.encode(entry) + b"\n"
