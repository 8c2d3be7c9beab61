"""When the snapshot is written, and what a directory knows that was restored from one."""

import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.access.directory import AccessDirectory
from service.access.feed.snapshot import SnapshotKeeper, find_snapshot
from service.store.organizations.snapshot import DirectorySnapshot, SnapshotFile
from tests.store.organizations.test_snapshot import make_entry


@pytest.fixture
def keeper(tmp_path: Path) -> SnapshotKeeper:
    directory = AccessDirectory()
    return SnapshotKeeper(directory, SnapshotFile(tmp_path / "snapshot", ["a key"], "here"))


def entries_of(keeper: SnapshotKeeper) -> int:
    found = keeper.file.read()
    return -1 if found is None else len(found.entries)


async def test_it_follows_a_directory_that_is_fresh(keeper: SnapshotKeeper) -> None:
    await keeper.turn()
    assert entries_of(keeper) == -1
    assert math.isnan(keeper.seconds_since_written())
    directory = keeper.directory
    directory.loaded = True
    directory.record_heartbeat()
    await keeper.turn()
    assert entries_of(keeper) == 0
    directory.put(make_entry())
    await keeper.turn()
    assert entries_of(keeper) == 0
    keeper.note_change()
    await keeper.turn()
    assert entries_of(keeper) == 1
    assert keeper.seconds_since_written() < 60
    # What was not proved by PostgreSQL is not written.
    directory.put(make_entry())
    directory.heartbeat_at = time.monotonic() - 60
    keeper.note_change()
    await keeper.turn()
    await keeper.close()
    assert entries_of(keeper) == 1
    directory.record_heartbeat()
    await keeper.close()
    assert entries_of(keeper) == 2


async def test_a_failed_write_is_tried_again(keeper: SnapshotKeeper) -> None:
    keeper.directory.loaded = True
    keeper.directory.record_heartbeat()
    broken = replace(keeper.file, path=Path("/dev/null/snapshot"))
    whole, keeper.file = keeper.file, broken
    with pytest.raises(OSError, match="File exists"):
        await keeper.turn()
    assert keeper.changed
    await keeper.close()
    keeper.file = whole
    await keeper.turn()
    assert entries_of(keeper) == 0


def test_a_restored_directory_decides_and_is_not_fresh(keeper: SnapshotKeeper) -> None:
    entry, as_of = make_entry(), datetime.now(UTC) + timedelta(hours=1)
    keeper.restore(DirectorySnapshot(as_of, (entry,)))
    directory = keeper.directory
    assert directory.loaded
    assert directory.basis == "last_known_good"
    assert keeper.restored == as_of
    registration = directory.find(["n-1"], [])
    assert registration is not None
    assert registration.organization == entry.organization
    # A machine whose clock is behind the snapshot does not go back in time.
    assert directory.now() >= as_of


def test_without_an_age_nothing_is_found(keeper: SnapshotKeeper) -> None:
    keeper.file.write(DirectorySnapshot(datetime.now(UTC), ()))
    assert find_snapshot(keeper.file, timedelta(hours=1)) is not None
    assert find_snapshot(keeper.file, timedelta()) is None
