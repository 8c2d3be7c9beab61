"""The API's operations on imports: upload a CSV file, read its plan, apply it, undo it."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from service.admin.imports.jobs import FIRST, ImportJobs
from service.admin.undo import Undo
from service.store.imports.imports import ImportJob
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import imports as shapes
from service.web.shapes.imports import ImportRowsQuery, ImportsQuery, import_shape, row_shape
from service.web.shapes.paging import ListPage, place_in_log, read_cursor, write_cursor

NAME = "import_id"
UPLOAD_SECONDS = 60.0
"""Planning numbers asks Vapi for all of them."""


def place_of_kind(text: str) -> bool:
    """The kind of a row in a cursor: failed rows come first."""
    if text not in ("failed", "other"):
        raise ValueError("invalid place")
    return text == "other"


@dataclass(frozen=True, slots=True)
class ImportOperations:
    """Read requests, call the use cases, shape responses."""

    imports: ImportJobs
    undo: Undo

    async def shaped(self, job: ImportJob) -> shapes.Import:
        return import_shape(job, await self.imports.figures(job.id))

    async def create_import(self, request: ApiRequest) -> BaseModel:
        """Check a CSV file and keep the plan of its rows. Nothing is changed until it is applied.

        `csv` is the text of the file, with the columns that the command of the same kind takes:
        `name`, `external_id`, `plan`, `status`, `current_period_end`, `trial_ends_at`,
        `blocked_message` and `time_zone` for organizations, `phone_number`, `organization`, `label` and
        `gate` for phone numbers. A file that cannot be used as a whole answers 422 `csv_unusable`; it
        has at most 10,000 rows. Imports are kept for 30 days.
        """
        body: shapes.ImportBody = request.body
        return await self.shaped(
            await self.imports.create(
                request.actor, body.kind, body.name or "", body.csv.encode("utf-8")
            )
        )

    async def list_imports(self, request: ApiRequest) -> BaseModel:
        """Imports with their plans and outcomes, of the API and of the panel."""
        query: ImportsQuery = request.query
        after = read_cursor(query.cursor, UUID)
        found = await self.imports.list_page(
            query.kind, after=after[0] if after else None, limit=query.limit + 1
        )
        shown = found[: query.limit]
        figures = await self.imports.figures_of(job.id for job in shown)
        items = [import_shape(job, figures[job.id]) for job in shown]
        return ListPage[shapes.Import](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def get_import(self, request: ApiRequest) -> BaseModel:
        """One import: its state, and how many rows are planned and done."""
        return await self.shaped(await self.imports.get(request.ids[NAME]))

    async def list_import_rows(self, request: ApiRequest) -> BaseModel:
        """The rows with their plan and outcome, failed ones first, each with its cells as given."""
        query: ImportRowsQuery = request.query
        job = await self.imports.get(request.ids[NAME])
        after = read_cursor(query.cursor, place_of_kind, place_in_log)
        found = await self.imports.rows(
            job.id,
            query.show,
            after=(after[0], after[1]) if after else FIRST,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        cursor = None
        if len(found) > query.limit:
            is_other, line = shown[-1].place
            cursor = write_cursor("other" if is_other else "failed", line)
        return ListPage[shapes.ImportRow](
            items=[row_shape(row) for row in shown], next_cursor=cursor
        )

    async def apply_import(self, request: ApiRequest) -> BaseModel:
        """Apply the plan in the background: read the import until its state is `applied`.

        Rows with an error are skipped. Repeating it changes nothing; a canceled import answers 409.
        """
        await self.imports.apply(request.actor, request.ids[NAME])
        return await self.get_import(request)

    async def cancel_import(self, request: ApiRequest) -> BaseModel:
        """Leave the rows that are not done yet undone; a finished import answers 409."""
        await self.imports.cancel(request.actor, request.ids[NAME])
        return await self.get_import(request)

    async def undo_import(self, request: ApiRequest) -> BaseModel:
        """Take back what the rows did, newest first. Rows whose object has changed since stay.

        While `finished` is false more rows are to be undone: send it again, with another
        `Idempotency-Key`. An import that is not applied yet, or still being applied, answers 409.
        """
        entry = await self.imports.applied_entry(request.ids[NAME])
        rows = (await self.undo.undo(request.actor, entry)).rows
        assert rows is not None
        return shapes.ImportUndo(
            audit_id=rows.audit_id,
            undone=rows.undone,
            left=rows.left,
            named=list(rows.named),
            finished=not rows.is_unfinished,
        )

    def operations(self) -> list[Operation]:
        one, gives = "/imports/{import_id}", shapes.Import
        return [
            Operation(
                "POST",
                "/imports",
                "Check a CSV file and keep its plan",
                self.create_import,
                gives,
                status=201,
                body=shapes.ImportBody,
                seconds=UPLOAD_SECONDS,
                is_long=True,
            ),
            Operation(
                "GET",
                "/imports",
                "List imports, newest first",
                self.list_imports,
                ListPage[shapes.Import],
                query=ImportsQuery,
            ),
            Operation("GET", one, "Get an import", self.get_import, gives),
            Operation(
                "GET",
                f"{one}/rows",
                "List the rows of an import",
                self.list_import_rows,
                ListPage[shapes.ImportRow],
                query=ImportRowsQuery,
            ),
            Operation("POST", f"{one}/apply", "Apply an import", self.apply_import, gives),
            Operation("POST", f"{one}/cancel", "Cancel an import", self.cancel_import, gives),
            Operation(
                "POST",
                f"{one}/undo",
                "Undo an import",
                self.undo_import,
                shapes.ImportUndo,
                seconds=UPLOAD_SECONDS,
                is_long=True,
            ),
        ]
