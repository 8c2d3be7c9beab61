"""Notes: records on their way to PostgreSQL, in files beside the spool's until they arrive.

They are for answers that do not wait for their record. If the process is killed meanwhile, the spool of
the next one takes its notes over. A note is written to the kernel but not synced to the disk: it
survives the process, but not a power failure in the few milliseconds that it is needed for.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.spool_files import open_locked, write_whole

PAGE_BYTES = 2**20
"""A full file gets no new notes and is deleted with its last one: under load it never runs empty."""

log = structlog.get_logger()


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
