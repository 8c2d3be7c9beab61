"""Imports: upload a CSV file, check its plan, apply it, see each row's result."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from service.admin.imports.csv_file import PROBLEM
from service.admin.imports.jobs import FIRST, ImportJobs, import_not_found
from service.admin.imports.kinds import COLUMNS, MAX_ROWS
from service.domain.errors import InvalidError
from service.store.imports.imports import ImportJob
from service.store.imports.rows import ImportRecord, Show
from service.web.exports.csv_files import csv_file, importable_csv
from service.web.off_loop import off_loop
from service.web.panel.imports.kinds import ImportWords
from service.web.panel.imports.views import (
    SHOW_CHOICES,
    SHOWS,
    ImportListRow,
    ImportView,
    address_of,
    record_row,
)
from service.web.panel.kit.choices import options_of
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit

MAX_BYTES = 4 * 2**20
PER_PAGE = 50
IMPORTS_PER_PAGE = 20
AT_ONCE = 1000
ROW_BYTES = 100


@dataclass(frozen=True, slots=True)
class ImportPages:
    """Read requests, call the use case, render; one group a kind. Every role may read, admins import."""

    imports: ImportJobs
    words: ImportWords

    def pages(self) -> list[PanelPage]:
        start, one = self.words.path, f"{self.words.path}/{{import_id}}"
        return [
            PanelPage("GET", start, self.list_page),
            PanelPage("POST", start, self.upload, "admin", MAX_BYTES + 2**16, is_long=True),
            PanelPage("GET", f"{start}/example.csv", self.example),
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/progress", self.progress),
            PanelPage("GET", f"{one}/failed.csv", self.failed, is_long=True),
            PanelPage("POST", f"{one}/apply", self.apply, "admin"),
            PanelPage("POST", f"{one}/cancel", self.cancel, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        return await visit.show("imports/list.html", **await self.recent(visit))

    async def recent(self, visit: Visit) -> dict[str, Any]:
        after = visit.asked_id("cursor")
        kind = self.words.kind
        found = await self.imports.list_page(kind, after=after, limit=IMPORTS_PER_PAGE + 1)
        shown = found[:IMPORTS_PER_PAGE]
        more = visit.here(cursor=shown[-1].id) if len(found) > IMPORTS_PER_PAGE else None
        return {
            "words": self.words,
            "rows": [ImportListRow(job) for job in shown],
            "total": describe_total(await self.imports.count(kind), "import"),
            "more": more,
            "max_rows": MAX_ROWS,
        }

    async def upload(self, visit: Visit) -> web.Response:
        """Store the plan of a file and show it."""

        async def act(_form: Form) -> web.Response:
            given = visit.files.get("file")
            if given is None or not given.filename:
                raise FormError({"file": "Choose a file."})
            data = given.file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                fault = f"The file is larger than {MAX_BYTES // 2**20} MiB. Split it."
                raise FormError({"file": fault})
            try:
                job = await self.imports.create(visit.actor, self.words.kind, given.filename, data)
            except InvalidError as exc:
                raise FormError({"file": exc.message}) from None
            return await visit.go(address_of(job))

        return await fill_in(visit, "imports/list.html", act, **await self.recent(visit))

    async def example(self, visit: Visit) -> web.Response:  # noqa: ARG002
        return csv_file(self.words.file_name, importable_csv(self.words.example))

    async def job(self, visit: Visit) -> ImportJob:
        """The import of the path, which is one of this kind. Raises `NotFoundError`."""
        job = await self.imports.get(visit.id("import_id"))
        if job.kind != self.words.kind:
            raise import_not_found()
        return job

    async def view(self, visit: Visit) -> ImportView:
        """An import with its counts."""
        job = await self.job(visit)
        figures = await self.imports.figures(job.id)
        return ImportView(job, figures, await self.imports.count_undone(job))

    async def page(self, visit: Visit) -> web.Response:
        """The plan or the result of each row, errors first."""
        view = await self.view(visit)
        show: Show = next((one for one in SHOWS if one == visit.asked("show")), "all")
        after = read_place(visit.asked("cursor"))
        found = await self.imports.rows(view.job.id, show, after=after, limit=PER_PAGE + 1)
        shown = found[:PER_PAGE]
        more = visit.here(cursor=write_place(shown[-1])) if len(found) > PER_PAGE else None
        return await visit.show(
            "imports/page.html",
            view=view,
            rows=[record_row(row, view.job) for row in shown],
            shows=options_of(SHOW_CHOICES, show),
            more=more,
        )

    async def progress(self, visit: Visit) -> web.Response:
        """The progress for a page that waits; afterwards the import's page."""
        view = await self.view(visit)
        if not view.is_applying:
            return await visit.go(view.address)
        template = "imports/progress.html" if visit.partial else "imports/wait.html"
        return await visit.show(template, view=view)

    async def apply(self, visit: Visit) -> web.Response:
        job = await self.job(visit)
        await self.imports.apply(visit.actor, job.id)
        return await visit.go(address_of(job))

    async def cancel(self, visit: Visit) -> web.Response:
        job = await self.job(visit)
        await self.imports.cancel(visit.actor, job.id)
        text = "The import is canceled. Rows that were not done stay unchanged."
        return await visit.go(address_of(job), notice=text)

    async def failed(self, visit: Visit) -> web.Response:
        """The failed rows as a file, to be corrected and uploaded again."""
        job = await self.job(visit)
        found, place = list[ImportRecord](), FIRST
        while rows := await self.imports.rows(job.id, "failed", after=place, limit=AT_ONCE):
            found += rows
            place = rows[-1].place
        data = await off_loop(
            len(found) * ROW_BYTES, importable_csv, cells(COLUMNS[job.kind], found)
        )
        return csv_file("failed.csv", data)


def cells(columns: Sequence[str], rows: list[ImportRecord]) -> Iterator[tuple[str, ...]]:
    """The failed rows: what is wrong, and all cells as given, also those that the header lacks."""
    yield (PROBLEM, *columns)
    for row in rows:
        planned = (str(row.plan.get(name) or "") for name in columns)
        yield (row.message or "", *(planned if row.given is None else row.given))


def read_place(text: str) -> tuple[bool, int]:
    """The inverse of `write_place`; the place before all rows for an invalid text."""
    kind, _, line = text.partition("-")
    if kind not in ("failed", "other") or not line.isdecimal() or len(line) > 9:
        return FIRST
    return kind == "other", int(line)


def write_place(row: ImportRecord) -> str:
    return f"{'failed' if row.outcome == 'failed' else 'other'}-{row.line}"
