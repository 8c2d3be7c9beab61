"""Notes: records on their way to PostgreSQL, in files beside the spool's until they arrive.

They are for answers that do not wait for their record. If the process is killed meanwhile, the spool of
the next one takes its notes over. A note is written to the kernel but not synced to the disk: it
survives the process, but not a power failure in the few milliseconds that it is needed for.
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
"""A full file gets no new notes and is deleted with its last one: under load it never runs empty."""

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
        """Note a record; pass the result to `remove` once it is recorded. None if the disk fails."""
        try:
            page = self.page
            if page is None or page.size >= PAGE_BYTES:
                page = self.start_page()
            write_whole(page.file, line)
        except OSError as exc:
            log.error("notes.not_written", error=type(exc).__name__)
            return None
        page.open += 1
        page.size += len(line)
        return page

    def start_page(self) -> NotesFile:
        """Start a new page."""
        page = NotesFile(*open_locked(self.folder))
        self.pages[page.path] = page
        self.page = page
        return page

    def remove(self, page: NotesFile) -> None:
        """Discard one note of a page; an empty page is truncated or deleted."""
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
            # Its notes are recorded already; recording them again changes nothing.
            log.error("notes.not_removed", error=type(exc).__name__)

    def drop(self, page: NotesFile) -> None:
        if page is self.page:
            self.page = None
        del self.pages[page.path]
        page.delete()

    def close(self) -> None:
        """Delete pages without open notes; the next process takes over the others."""
        for page in list(self.pages.values()):
            if page.open:
                os.close(page.file)
            else:
                page.delete()
        self.pages.clear()
        self.page = None
