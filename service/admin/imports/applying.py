"""Applies the plan of an import row by row, whatever the rows are: one audit entry, and its parts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.imports.plan import Action, ImportPlan, PlannedRow
from service.domain.errors import CallgateError, UnavailableError
from service.store.imports.imports import Kind
from service.store.pool import UNAVAILABLE, Pool

AWAY_ROWS = 3
"""After this many consecutive rows without an answer of PostgreSQL, the others are not tried."""

log = structlog.get_logger()


async def apply_rows(
    pool: Pool,
    actor: Actor,
    plan: ImportPlan,
    progress: Callable[[PlannedRow], None],
    *,
    name: str,
    kind: Kind,
    apply_row: Callable[[Actor, PlannedRow], Awaitable[PlannedRow]],
) -> ImportPlan:
    """Apply the rows that make a change; report and return the result of each.

    A row that fails becomes an `error`, and the rest continues. The audit has one entry of the
    import, which names its file, and those of the rows as parts. Raises `ForbiddenError`.
    """
    actor.require_admin()
    actor = await begin(pool, actor, plan, audited(name, kind, plan.figures))
    done, away = list[PlannedRow](), 0
    for row in plan.rows:
        outcome = row
        if row.action in ("create", "update"):
            if away >= AWAY_ROWS:
                outcome = row.failed(UnavailableError("Not tried: the database does not answer."))
            else:
                outcome = await apply_row(actor, row)
            away = away + 1 if outcome.code == "unavailable" else 0
        progress(outcome)
        done.append(outcome)
    return replace(plan, rows=tuple(done))


def audited(name: str, kind: Kind, rows: Mapping[Action, int]) -> dict[str, Any]:
    """An import as its entry has it: the file's name, and how many rows there are of each action."""
    return {"name": name, "kind": kind, "rows": dict(rows)}


async def begin(pool: Pool, actor: Actor, plan: ImportPlan, after: Mapping[str, Any]) -> Actor:
    """Record the import; the actor of its rows. A database that is away fails each row."""
    if not plan.to_do:
        return actor
    try:
        async with transaction(pool) as connection:
            made = await record(connection, actor, "import.applied", after["name"], after=after)
    except UNAVAILABLE:
        return actor
    return replace(actor, part_of=made)


def refused(row: PlannedRow, exc: Exception) -> PlannedRow:
    """The row with the error that ended it; an unexpected one is logged."""
    if isinstance(exc, CallgateError):
        return row.failed(exc)
    if isinstance(exc, UNAVAILABLE):
        message = f"The database does not answer ({type(exc).__name__}): import it again."
        return row.failed(UnavailableError(message))
    log.error("import.row_failed", line=row.line, exc_info=exc)
    return row.failed(CallgateError())
