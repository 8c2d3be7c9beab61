"""The shapes of imports: a CSV file, its plan, and the outcome of each row."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from service.admin.imports.jobs import Figures
from service.store.imports import imports, rows
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Instant, Name
from service.web.shapes.paging import PageQuery

Kind = Literal["phone_numbers", "organizations"]
State = Literal["planned", "applying", "applied", "canceled"]
Action = Literal["create", "update", "unchanged", "error"]
RowState = Literal["waiting", "done", "unchanged", "failed"]


class ImportBody(RequestBody):
    kind: Kind
    csv: Annotated[str, StringConstraints(max_length=2**20)]
    name: Name | None = None


class ImportsQuery(PageQuery):
    kind: Kind | None = None


class ImportRowsQuery(PageQuery):
    show: Literal["all", "failed", "done", "unchanged", "waiting"] = "all"


class PlannedRows(ResponseBody):
    """How many rows there are of each planned action."""

    create: int
    update: int
    unchanged: int
    error: int


class RowOutcomes(ResponseBody):
    """How many rows there are of each outcome."""

    waiting: int
    done: int
    unchanged: int
    failed: int


class Import(ResponseBody):
    """`audit_id` is the entry of its application, which one undo takes back; `undone_at`: when that was
    done last."""

    id: UUID
    kind: Kind
    name: str
    state: State
    warning: str | None
    planned: PlannedRows
    outcomes: RowOutcomes
    created_by: str
    created_at: Instant
    applied_by: str | None
    applied_at: Instant | None
    finished_at: Instant | None
    audit_id: int | None
    undone_at: Instant | None


class ImportRow(ResponseBody):
    """`cells` are those of the file, in the order of the kind's columns; surplus ones follow."""

    line: int
    action: Action
    outcome: RowState
    code: str | None
    message: str | None
    cells: list[str]
    organization_id: UUID | None
    phone_number_id: UUID | None


class ImportUndo(ResponseBody):
    """`left` rows stay as they are, the first of them in `named`, each with the reason."""

    audit_id: int
    undone: int
    left: int
    named: list[str]
    finished: bool


def import_shape(job: imports.ImportJob, figures: Figures) -> Import:
    became: tuple[RowState, ...] = ("waiting", "done", "unchanged", "failed")
    return Import(
        id=job.id,
        kind=job.kind,
        name=job.file_name,
        state=job.state,
        warning=job.warning,
        planned=PlannedRows.model_validate(figures.by_action),
        outcomes=RowOutcomes.model_validate({name: figures.became(name) for name in became}),
        created_by=job.created_by,
        created_at=job.created_at,
        applied_by=job.applied_by,
        applied_at=job.applied_at,
        finished_at=job.finished_at,
        audit_id=job.audit_id,
        undone_at=job.undone_at,
    )


def row_shape(row: rows.ImportRecord) -> ImportRow:
    return ImportRow.model_validate(
        {
            "line": row.line,
            "action": row.action,
            "outcome": row.outcome or "waiting",
            "code": row.plan.get("code"),
            "message": row.message,
            "cells": list(row.given or ()),
            "organization_id": row.organization_id,
            "phone_number_id": row.phone_number_id,
        }
    )
