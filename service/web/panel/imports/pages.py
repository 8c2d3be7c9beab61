"""Many numbers at once: a file is uploaded, its plan is looked at, applied, and told row by row."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from aiohttp import web

from service.admin.imports.csv_file import COLUMNS, E164
from service.admin.imports.jobs import FIRST, MAX_ROWS, ImportJobs
from service.domain.errors import InvalidError
from service.store.phone_numbers.imports import ImportJob, ImportRecord, Show
from service.web.off_loop import off_loop
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.organizations.export import FORMULA
from service.web.panel.phone_numbers.pages import id_asked

MAX_BYTES = 4 * 2**20
PER_PAGE = 50
IMPORTS_PER_PAGE = 20
AT_ONCE = 1000
ROW_BYTES = 100
SHOWS: tuple[Show, ...] = get_args(Show)

EXAMPLE = (
    COLUMNS,
    ("+15551234567", "Bakery", "Front desk", "event"),
    ("5f1c2a9e-6f0b-4c58-9a53-3c1f3f0b7d10", "customer-42", "Orders", ""),
)
PROBLEM = "problem"
"""The column that tells what was wrong; an import passes over it."""


def address_of(job: ImportJob) -> str:
    return f"{ROOT}/numbers/import/{job.id}"


@dataclass(frozen=True, slots=True)
class ImportPages:
    """Reads requests, calls the use case, renders. Everybody may look, admins import."""

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
        return await visit.show("imports/list.html", faults={}, **await self.recent(visit))

    async def recent(self, visit: Visit) -> dict[str, Any]:
        after = id_asked(visit, "cursor")
        found = await self.imports.list_page(after=after, limit=IMPORTS_PER_PAGE + 1)
        shown = found[:IMPORTS_PER_PAGE]
        more = visit.here(cursor=shown[-1].id) if len(found) > IMPORTS_PER_PAGE else None
        return {"jobs": shown, "more": more, "max_rows": MAX_ROWS}

    async def upload(self, visit: Visit) -> web.Response:
        """Keep the plan of a file and show it."""

        async def act(_form: Form) -> web.Response:
            given = visit.files.get("file")
            if given is None or not given.filename:
                raise FormError({"file": "Please choose a file."})
            data = given.file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                fault = f"The file is larger than {MAX_BYTES // 2**20} MiB: split it."
                raise FormError({"file": fault})
            try:
                job = await self.imports.create(visit.actor, given.filename, data)
            except InvalidError as exc:
                raise FormError({"file": exc.message}) from None
            return await visit.go(address_of(job))

        return await fill_in(visit, "imports/list.html", act, **await self.recent(visit))

    async def example(self, visit: Visit) -> web.Response:  # noqa: ARG002
        return download("numbers.csv", written(EXAMPLE))

    async def context(self, visit: Visit) -> dict[str, Any]:
        """An import and how far it is."""
        job = await self.imports.get(visit.id("import_id"))
        return {"job": job, "here": address_of(job), "figures": await self.imports.figures(job.id)}

    async def page(self, visit: Visit) -> web.Response:
        """What each row would do, or what became of it; problems first."""
        context = await self.context(visit)
        show: Show = next((one for one in SHOWS if one == visit.asked("show")), "all")
        after = read_place(visit.asked("cursor"))
        found = await self.imports.rows(context["job"].id, show, after=after, limit=PER_PAGE + 1)
        shown = found[:PER_PAGE]
        more = visit.here(cursor=write_place(shown[-1])) if len(found) > PER_PAGE else None
        return await visit.show(
            "imports/page.html", rows=shown, show=show, shows=SHOWS, more=more, **context
        )

    async def progress(self, visit: Visit) -> web.Response:
        """How far it is, for a page that waits; once it is over, the page with what became of it."""
        context = await self.context(visit)
        if context["job"].state != "applying":
            return await visit.go(context["here"])
        template = "imports/progress.html" if visit.partial else "imports/wait.html"
        return await visit.show(template, **context)

    async def apply(self, visit: Visit) -> web.Response:
        job = await self.imports.get(visit.id("import_id"))
        await self.imports.apply(visit.actor, job.id)
        return await visit.go(address_of(job))

    async def cancel(self, visit: Visit) -> web.Response:
        job = await self.imports.get(visit.id("import_id"))
        await self.imports.cancel(visit.actor, job.id)
        text = "Canceled: what was not done yet is left as it is."
        return await visit.go(address_of(job), notice=text)

    async def failed(self, visit: Visit) -> web.Response:
        """The rows that failed as a file: correct it, and upload it again."""
        job = await self.imports.get(visit.id("import_id"))
        found, place = list[ImportRecord](), FIRST
        while rows := await self.imports.rows(job.id, "failed", after=place, limit=AT_ONCE):
            found += rows
            place = rows[-1].place
        data = await off_loop(len(found) * ROW_BYTES, written, cells(found))
        return download("failed.csv", data)


def cells(rows: list[ImportRecord]) -> Iterator[tuple[str, ...]]:
    """What was given, and what is wrong with it."""
    yield (*COLUMNS, PROBLEM)
    for row in rows:
        yield (*(str(row.plan[name] or "") for name in COLUMNS), row.message or "")


def read_place(text: str) -> tuple[bool, int]:
    """The inverse of `write_place`; what is none is the place before all rows."""
    kind, _, line = text.partition("-")
    if kind not in ("failed", "other") or not line.isdecimal() or len(line) > 9:
        return FIRST
    return kind == "other", int(line)


def write_place(row: ImportRecord) -> str:
    return f"{'failed' if row.outcome == 'failed' else 'other'}-{row.line}"


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """CSV that can be imported again. What a spreadsheet could run is kept a text; a number with its
    plus is none of it."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(
            f"'{cell}" if cell.startswith(FORMULA) and not E164.fullmatch(cell) else cell
            for cell in row
        )
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def download(name: str, data: bytes) -> web.Response:
    return web.Response(
        body=data,
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
