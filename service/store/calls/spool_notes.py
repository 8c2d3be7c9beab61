"""Notes: records on their way to PostgreSQL, in files beside the spool's until they are there.

For answers that do not wait for their record. Should the process be killed meanwhile, its notes are what
the spool of the next one takes over. A note is in the system's hands at once and not forced to the disk:
it outlives the process, and not a failure of power in the few milliseconds that it is needed for.
"""

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

PAGE_BYTES = 2**20
"""A full file is left to its last notes and removed with them: under load there is no idle moment."""

log = structlog.get_logger()


def open_locked(folder: Path) -> tuple[Path, int]:
    """A new file, locked before it has the name by which others look for what nobody holds. Names
    are in the order of time, so that a call comes before its end."""
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
    """Append all of it or nothing: half a line would spoil the one that follows."""
    size = os.fstat(file).st_size
    try:
        written = 0
        while written < len(lines):
            written += os.write(file, lines[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


@dataclass(slots=True, eq=False)
class NotesFile:
    """One file of notes; `open` counts those that are still needed."""

    path: Path
    file: int
    open: int = 0
    size: int = 0

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.file)


class Notes:
    """The notes of one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[Path, NotesFile] = {}
        self.page: NotesFile | None = None

    def add(self, line: bytes) -> NotesFile | None:
        """Note a record, to be given to `remove` once recorded; None if the disk does not take it."""
        try:
            page = self.page
            if page is None or page.size >= PAGE_BYTES:
                page = self.turn()
            write_whole(page.file, line)
        except OSError as exc:
            log.error("notes.not_written", error=type(exc).__name__)
            return None
        page.open += 1
        page.size += len(line)
        return page

    def turn(self) -> NotesFile:
        """Begin a new page."""
        page = NotesFile(*open_locked(self.folder))
        self.pages[page.path] = page
        self.page = page
        return page

    def remove(self, page: NotesFile) -> None:
        """One note of a page is no longer needed."""
        page.open -= 1
        if page.open:
            return
        try:
            if page is self.page and page.size < PAGE_BYTES:
                os.ftruncate(page.file, 0)
                page.size = 0
            else:
                self.drop(page)
        except OSError as exc:
            # What stands there is recorded already: it would be recorded once all the same.
            log.error("notes.not_removed", error=type(exc).__name__)

    def drop(self, page: NotesFile) -> None:
        if page is self.page:
            self.page = None
        del self.pages[page.path]
        page.delete()

    def close(self) -> None:
        """Leave what is still needed to the next process."""
        for page in list(self.pages.values()):
            if page.open:
                os.close(page.file)
            else:
                page.delete()
        self.pages.clear()
        self.page = None
