"""Temporary folders of a running server outside its data folder.

They hold what cannot be inside: a socket whose path would be too long, programs that the server's user
could not reach. The data folder lists them, so that the next start deletes those of a killed service.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PLACES = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - mkdtemp makes them private
PREFIX = "callgate-"


class RunFolders:
    """The folders of one server; `record` is the file that lists them."""

    def __init__(self, record: Path, owners: frozenset[int]) -> None:
        self.record = record
        self.owners = owners
        self.made: list[Path] = []
        self.locks: list[int] = []

    def make(self, place: str) -> Path:
        """Create a private folder with a short path. Raises `OSError`."""
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        self.made.append(folder)
        self.record.write_text("".join(f"{made}\n" for made in self.made))
        # Cleaners of temporary folders, such as systemd-tmpfiles, spare a locked one.
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.locks.append(lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder

    def remove_left(self) -> None:
        """Delete the folders of an earlier service that are still ours."""
        with contextlib.suppress(FileNotFoundError):
            for line in self.record.read_text().splitlines():
                self.remove_one(Path(line))
            self.record.unlink()

    def remove_all(self) -> None:
        """Delete our folders. Safe to call twice."""
        for lock in self.locks:
            os.close(lock)
        for folder in self.made:
            self.remove_one(folder)
        if self.made:
            self.record.unlink(missing_ok=True)
        self.made, self.locks = [], []

    def remove_one(self, folder: Path) -> None:
        """Delete a folder if we own it: after a reboot another user may have its name."""
        if str(folder.parent) not in PLACES or not folder.name.startswith(PREFIX):
            return
        with contextlib.suppress(FileNotFoundError):
            if folder.lstat().st_uid in self.owners:
                shutil.rmtree(folder, ignore_errors=True)
