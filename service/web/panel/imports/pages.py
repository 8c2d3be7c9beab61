"""Imports of phone numbers: upload a CSV file, check its plan, apply it, see each row's result."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from service.admin.imports.csv_file import PROBLEM
from service.admin.imports.jobs import FIRST, MAX_ROWS, ImportJobs
from service.admin.imports.number_rows import COLUMNS
from service.domain.errors import InvalidError
from service.store.phone_numbers.imports import ImportRecord, Show
from service.web.off_loop import off_loop
from service.web.panel.imports.views import (
    SHOW_CHOICES,
    SHOWS,
    ImportListRow,
    ImportView,
    address_of,
    record_row,
)
from service.web.panel.kit.choices import options_of
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.spreadsheets import csv_file, importable_csv
from service.web.panel.kit.visit import Visit

MAX_BYTES = 4 * 2**20
PER_PAGE = 50
IMPORTS_PER_PAGE = 20
AT_ONCE = 1000
ROW_BYTES = 100

EXAMPLE = (
    COLUMNS,
    ("+15551234567", "Bakery", "Front desk", "event"),
    ("5f1c2a9e-6f0b-4c58-9a53-3c1f3f0b7d10", "customer-42", "Orders", ""),
)


@dataclass(frozen=True, slots=True)
class ImportPages:
    """Read requests, call the use case, render. Every role may read, admins import."""

    imports: ImportJobs

    def pages(self) -> list[PanelPage]:
        start, one = "/numbers/import", "/numbers/import/{import_id}"
        return [
            PanelPage("GET", start, self.list_page),
            PanelPage("POST", start, self.upload, "admin", MAX_BYTES + 2**16),
            PanelPage("GET", f"{start}/example.csv", self.example),
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/progress", self.progress),
            PanelPage("GET", f"{one}/failed.csv", self.failed),
            PanelPage("POST", f"{one}/apply", self.apply, "admin"),
            PanelPage("POST", f"{one}/cancel", self.cancel, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        return await visit.show("imports/list.html", **await self.recent(visit))

    async def recent(self, visit: Visit) -> dict[str, Any]:
        after = visit.asked_id("cursor")
        found = await self.imports.list_page(after=after, limit=IMPORTS_PER_PAGE + 1)
        shown = found[:IMPORTS_PER_PAGE]
        more = visit.here(cursor=shown[-1].id) if len(found) > IMPORTS_PER_PAGE else None
        return {"rows": [ImportListRow(job) for job in shown], "more": more, "max_rows": MAX_ROWS}

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
                job = await self.imports.create(visit.actor, given.filename, data)
            except InvalidError as exc:
                raise FormError({"file": exc.message}) from None
            return await visit.go(address_of(job))

        return await fill_in(visit, "imports/list.html", act, **await self.recent(visit))

    async def example(self, visit: Visit) -> web.Response:  # noqa: ARG002
        return csv_file("numbers.csv", importable_csv(EXAMPLE))

    async def view(self, visit: Visit) -> ImportView:
        """An import with its counts."""
        job = await self.imports.get(visit.id("import_id"))
        return ImportView(job, await self.imports.figures(job.id))

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
        job = await self.imports.get(visit.id("import_id"))
        await self.imports.apply(visit.actor, job.id)
        return await visit.go(address_of(job))

    async def cancel(self, visit: Visit) -> web.Response:
        job = await self.imports.get(visit.id("import_id"))
        await self.imports.cancel(visit.actor, job.id)
        text = "The import is canceled. Rows that were not done stay unchanged."
        return await visit.go(address_of(job), notice=text)

    async def failed(self, visit: Visit) -> web.Response:
        """The failed rows as a file, to be corrected and uploaded again."""
        job = await self.imports.get(visit.id("import_id"))
        found, place = list[ImportRecord](), FIRST
        while rows := await self.imports.rows(job.id, "failed", after=place, limit=AT_ONCE):
            found += rows
            place = rows[-1].place
        data = await off_loop(len(found) * ROW_BYTES, importable_csv, cells(found))
        return csv_file("failed.csv", data)


def cells(rows: list[ImportRecord]) -> Iterator[tuple[str, ...]]:
    """The failed rows: what is wrong, and all cells as given, also those that the header lacks."""
    yield (PROBLEM, *COLUMNS)
    for row in rows:
        planned = (str(row.plan[name] or "") for name in COLUMNS)
        yield (row.message or "", *(planned if row.given is None else row.given))


def read_place(text: str) -> tuple[bool, int]:
    """The inverse of `write_place`; the place before all rows for an invalid text."""
    kind, _, line = text.partition("-")
    if kind not in ("failed", "other") or not line.isdecimal() or len(line) > 9:
        return FIRST
    return kind == "other", int(line)


def write_place(row: ImportRecord) -> str:
    return f"{'failed' if row.outcome == 'failed' else 'other'}-{row.line}"
