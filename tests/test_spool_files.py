"""The files of spools: read piece by piece, and never kept open while their lines are written."""

from pathlib import Path

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
