"""The files of spools: read piece by piece, and never kept open while their lines are written."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from service.spool_files import PIECE, SpoolFiles

DESCRIPTORS = Path("/proc/self/fd")


def opened(folder: Path) -> list[str]:
    """The files in a folder that this process holds open."""
    found = []
    for one in DESCRIPTORS.iterdir():
        try:
            place = one.readlink()
        except OSError:
            continue
        if place.is_relative_to(folder):
            found.append(place.name)
    return found


class Collected(SpoolFiles):
    """Keeps what is drained, and what was open meanwhile. `vanishes`: another replica is faster."""

    def __init__(self, folder: Path, *, vanishes: bool = False) -> None:
        super().__init__(folder)
        self.vanishes = vanishes
        self.lines: list[bytes] = []
        self.open: list[str] = []

    async def write(self, content: bytes) -> None:
        self.lines += content.splitlines()
        self.open += opened(self.folder)
        if self.vanishes:
            for path in self.folder.glob("*.jsonl"):
                path.unlink()


def write_file(folder: Path) -> list[bytes]:
    """A file of a dead process, of several pieces; its last line is cut short."""
    lines = [b"%d:" % number + b"x" * 1000 for number in range(2 * PIECE // 1000)]
    (folder / "0.jsonl").write_bytes(b"\n".join(lines))
    return lines


async def test_a_long_file_is_read_in_pieces_and_not_kept_open(tmp_path: Path) -> None:
    lines = write_file(tmp_path)
    spool = Collected(tmp_path)
    await spool.drain_file(tmp_path / "0.jsonl")
    assert spool.lines == lines
    assert spool.open == []
    assert not (tmp_path / "0.jsonl").exists()


async def test_a_file_that_another_replica_deletes_meanwhile_is_done(tmp_path: Path) -> None:
    lines = write_file(tmp_path)
    spool = Collected(tmp_path, vanishes=True)
    await spool.drain_file(tmp_path / "0.jsonl")
    assert 0 < len(spool.lines) < len(lines)
    await spool.drain_file(tmp_path / "0.jsonl")


class Slow(Collected):
    """A disk whose first write takes until `go`, and is then refused as on a full disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.began, self.go, self.ended = (threading.Event() for _ in range(3))

    def append(self, lines: bytes) -> None:
        if self.began.is_set():
            super().append(lines)
            return
        super().append(b"")
        assert self.file is not None
        size = os.fstat(self.file).st_size
        self.began.set()
        self.go.wait(5.0)
        os.ftruncate(self.file, size)
        self.ended.set()
        raise OSError(errno.ENOSPC, "full")


async def test_a_cancelled_writer_does_not_cut_off_the_lines_of_the_next(tmp_path: Path) -> None:
    spool = Slow(tmp_path)
    first = asyncio.create_task(spool.add(b"first\n"))
    await asyncio.to_thread(spool.began.wait, 5.0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(spool.add(b"second\n"))
    await asyncio.wait([second], timeout=0.2)
    spool.go.set()
    assert await second
    await asyncio.to_thread(spool.ended.wait, 5.0)
    await spool.drain_own()
    assert spool.lines == [b"second"]
    assert spool.on_disk == 0
