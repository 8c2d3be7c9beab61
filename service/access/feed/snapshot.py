"""Keeps a snapshot of the directory on this machine's disk, and restores it where PostgreSQL is away.

Restored entitlements end at their instants like any others, by a clock that never goes back behind
the snapshot. What changed since is unknown until PostgreSQL is back: decisions say so (`basis`).
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from service.access.directory import FRESH_SECONDS, AccessDirectory
from service.access.policies.choices import ChoicesInForce
from service.background import BackgroundLoop
from service.store.organizations.snapshot import DirectorySnapshot, SnapshotError, SnapshotFile

EVERY_SECONDS = 5.0
REFRESH_SECONDS = 60.0
"""How often an unchanged directory is written again, so that its snapshot stays young."""

log = structlog.get_logger()


class SnapshotTooOldError(Exception):
    """The snapshot is older than the operator allows; the message says by how much."""


@dataclass(slots=True)
class SnapshotKeeper:
    """Writes the snapshot of one replica, and fills its directory from one; `writes`: or only that."""

    directory: AccessDirectory
    file: SnapshotFile
    writes: bool = True
    choices: ChoicesInForce = field(default_factory=ChoicesInForce)
    restored: datetime | None = None
    """What the directory was restored from; None once it is read from PostgreSQL."""
    changed: bool = True
    written_at: float = float("-inf")
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def background(self) -> list[BackgroundLoop]:
        """Writes after changes, and once a minute."""
        if not self.writes:
            return []
        return [
            BackgroundLoop("snapshot", self.turn, interval=EVERY_SECONDS, outages=(OSError,)),
        ]

    def note_change(self) -> None:
        """Note that the directory has changed."""
        self.changed = True

    def seconds_since_written(self) -> float:
        """The age of the file that this replica wrote; NaN before it wrote one."""
        seconds = time.monotonic() - self.written_at
        return seconds if math.isfinite(seconds) else math.nan

    async def turn(self) -> None:
        """Write the snapshot if it is out of date. Raises `OSError`."""
        if self.changed or time.monotonic() - self.written_at >= REFRESH_SECONDS:
            await self.write()

    async def close(self) -> None:
        """Write the last changes."""
        if self.writes and self.changed:
            try:
                await self.write()
            except OSError as exc:
                log.warning("snapshot.not_written", error=type(exc).__name__)

    async def write(self) -> None:
        """Write the snapshot, off the event loop; nothing while changes may not arrive."""
        directory = self.directory
        async with self.writing:
            if not directory.loaded or directory.basis != "fresh":
                return
            self.restored = None
            as_of = directory.now() - timedelta(seconds=directory.age_seconds)
            entries = tuple(directory.entries.values())
            found = DirectorySnapshot(as_of, entries, self.choices.value)
            self.changed = False
            try:
                await asyncio.to_thread(self.file.write, found)
            except BaseException:
                self.changed = True
                raise
            self.written_at = time.monotonic()

    def restore(self, found: DirectorySnapshot) -> None:
        """Fill the directory from a snapshot."""
        fresh = AccessDirectory()
        for entry in found.entries:
            fresh.put(entry)
        directory, age = self.directory, age_of(found.as_of)
        directory.clock.assume_after(found.as_of)
        directory.replace(fresh)
        self.choices.take(found.choices, float("-inf"))
        directory.heartbeat_at = time.monotonic() - max(age.total_seconds(), FRESH_SECONDS)
        self.restored = found.as_of
        log.warning(
            "directory.restored",
            as_of=found.as_of.isoformat(),
            organizations=len(fresh.entries),
            numbers=len(fresh.numbers),
        )


def find_snapshot(file: SnapshotFile, most_age: timedelta) -> DirectorySnapshot | None:
    """The snapshot in a file, if it is of use. Blocks. Raises `SnapshotTooOldError`.

    A file that is damaged, forged, another database's or another version's is logged and ignored.
    """
    if not most_age:
        return None
    try:
        found = file.read()
    except SnapshotError as exc:
        log.warning("snapshot.ignored", path=str(file.path), reason=str(exc))
        return None
    if found is not None and (age := age_of(found.as_of)) > most_age:
        raise SnapshotTooOldError(
            f"The snapshot of {format_age(age)} ago is older than CALLGATE_SNAPSHOT_MAX_AGE allows."
        )
    return found


def age_of(as_of: datetime) -> timedelta:
    """How old a snapshot is, by this machine's clock; never negative."""
    return max(datetime.now(as_of.tzinfo) - as_of, timedelta())


def format_age(age: timedelta) -> str:
    """An age in words."""
    hours, rest = divmod(int(age.total_seconds()), 3600)
    return f"{hours} h" if hours else f"{rest // 60} min"
