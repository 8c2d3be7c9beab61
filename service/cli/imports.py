"""What the imports of numbers and organizations share: show the plan, ask, apply, report; and Vapi's
numbers as table or CSV."""

import csv
import itertools
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.admin.actor import Actor
from service.admin.imports.csv_file import MAX_BYTES
from service.admin.imports.known_numbers import VapiNumber
from service.admin.imports.number_rows import COLUMNS
from service.admin.imports.plan import ImportPlan, PlannedRow
from service.cli.progress import progress
from service.cli.running import ACTOR, print_json
from service.domain.errors import InvalidError
from service.inputs.csv_cells import escape_cell

MAX_SHOWN = 500
WIDTH = 240
"""Columns of a line without a terminal: wide enough that no value is cut."""

PENDING = (
    "{count} of these numbers are still pending: a running `callgate serve` configures them, or "
    "run `callgate reconcile`."
)
HELD = (
    "Nothing was applied: rows with an error: {errors}. Correct them, or pass --yes to apply the other "
    "{count} changes without them."
)

STYLES = {"create": "green", "update": "yellow", "unchanged": "dim", "error": "red"}
DONE = {"create": "created", "update": "updated", "unchanged": "unchanged", "error": "errors"}


def console(*, errors: bool = False) -> Console:
    """The console to print on: as wide as the terminal, and `WIDTH` without one."""
    stream = sys.stderr if errors else sys.stdout
    return Console(stderr=errors, width=None if stream.isatty() else WIDTH, highlight=False)


def show_plan(plan: ImportPlan) -> None:
    """Print the rows; of too many, errors are kept first."""
    kept = shown_rows(plan.rows)
    out = console()
    out.print(table_of(kept))
    if len(kept) < len(plan.rows):
        out.print(f"… and {len(plan.rows) - len(kept)} more rows; --json shows all.")


def show_failures(plan: ImportPlan, applied: ImportPlan) -> None:
    """Print the rows that failed only when they were applied."""
    pairs = zip(plan.rows, applied.rows, strict=True)
    failed = [after for before, after in pairs if after.action != before.action]
    if failed:
        console().print(table_of(failed[:MAX_SHOWN]))


def table_of(rows: Sequence[PlannedRow]) -> Table:
    table = Table(box=None)
    for name in ("line", "number", "organization", "action", "message"):
        table.add_column(name, overflow="fold")  # a cut id is useless
    for row in rows:
        style = STYLES[row.action]
        number = row.phone_number
        if row.number and row.number != number:
            number = f"{number} ({row.number})"
        cells = (str(row.line), number, row.organization, row.action, row.message or "")
        # As Text: words from the file must not be read as rich's markup.
        table.add_row(*(Text(cell, style if index > 2 else "") for index, cell in enumerate(cells)))
    return table


def shown_rows(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """At most `MAX_SHOWN` of the rows, the errors and changes before those that are unchanged."""
    order = ("error", "create", "update", "unchanged")
    kept = sorted(rows, key=lambda row: order.index(row.action))[:MAX_SHOWN]
    return sorted(kept, key=lambda row: row.line)


def sentence(plan: ImportPlan, *, applied: bool) -> str:
    """The figures in one line."""
    words = DONE if applied else {**DONE, "create": "to create", "update": "to update"}
    return ", ".join(f"{count} {words[action]}" for action, count in plan.figures.items()) + "."


def print_plan(plan: ImportPlan, *, applied: bool, pending: int) -> None:
    """The whole plan, or its result, as one object."""
    figures = {DONE[action]: count for action, count in plan.figures.items()}
    rows = [
        {name: value for name, value in asdict(row).items() if name != "wanted"}
        for row in plan.rows
    ]
    print_json(
        {
            "applied": applied,
            "warning": plan.warning,
            **figures,
            "pending": pending,
            "rows": rows,
        }
    )


def show_numbers(numbers: Sequence[VapiNumber]) -> None:
    """Print numbers at Vapi that are not registered."""
    table = Table(box=None)
    for name in ("id", "number", "name", "answered by", "webhook"):
        table.add_column(name, overflow="fold")
    for found in numbers:
        bound = ", ".join(f"{name} {value}" for name, value in found.answered_by.items())
        cells = (found.id, found.number, found.name, bound, found.webhook_url)
        table.add_row(*(Text(cell or "") for cell in cells))
    out = console()
    out.print(table)
    out.print(f"{len(numbers)} numbers at Vapi are not registered.")


def print_csv(numbers: Iterable[VapiNumber]) -> None:
    """Print a file to fill in and import: the id, no organization yet, a label, the default gate.

    The id, not E.164: a spreadsheet reads a leading + as a formula.
    """
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    for found in numbers:
        out.writerow((found.id, "", label_cell(found), "event"))


def label_cell(found: VapiNumber) -> str:
    """Vapi's name, escaped where a spreadsheet would read a formula; else the number."""
    label = found.name or (f"Number {found.number}" if found.number else "")
    return escape_cell(label)


CountDue = Callable[[ImportPlan], Awaitable[int]]
"""Counts the objects of an applied plan that wait for a running service."""


class Importer(Protocol):
    """The use case of an import."""

    async def apply(
        self,
        actor: Actor,
        plan: ImportPlan,
        progress: Callable[[PlannedRow], None],
        name: str = ...,
    ) -> ImportPlan: ...


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import."""

    dry_run: bool
    yes: bool
    json: bool
    name: str


def read_file(name: str) -> bytes:
    """The file's bytes, one more than can be used at most. Raises `InvalidError`."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(name).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise InvalidError(f"{name!r} cannot be read: {reason}.") from None


async def carry_out(
    imports: Importer, plan: ImportPlan, options: ImportOptions, count_due: CountDue | None = None
) -> int:
    """Show the plan, ask, apply it, and report the result; the exit code."""
    held = plan.has_errors and not options.yes and not is_interactive()
    apply = plan.to_do > 0 and not options.dry_run and not held
    if plan.warning:
        typer.echo(f"Warning: {plan.warning}", err=True)
    if not options.json:
        show_plan(plan)
        typer.echo(sentence(plan, applied=False))
    pending = 0
    if apply:
        confirm(plan, options)
        before, plan = plan, await apply_plan(imports, plan, options.name)
        if not options.json:
            show_failures(before, plan)
        pending = await count_due(plan) if count_due is not None else 0
    if options.json:
        print_plan(plan, applied=apply, pending=pending)
    elif apply:
        typer.echo(sentence(plan, applied=True))
    if held and plan.to_do and not options.dry_run:
        typer.echo(HELD.format(errors=plan.figures["error"], count=plan.to_do), err=True)
    if pending:
        typer.echo(PENDING.format(count=pending), err=options.json)
    if plan.has_errors:
        return 1
    return 2 if options.dry_run and plan.to_do else 0


def is_interactive() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def confirm(plan: ImportPlan, options: ImportOptions) -> None:
    """Ask on a terminal. Raises `typer.Abort`."""
    if not options.yes and is_interactive():
        typer.confirm(f"Go ahead with {plan.to_do} changes?", abort=True, err=True)


async def apply_plan(imports: Importer, plan: ImportPlan, name: str) -> ImportPlan:
    """Apply, with progress on a terminal."""
    total, done = len(plan.rows), itertools.count(1)
    with progress() as note:
        note("Importing", 0, total)
        return await imports.apply(
            ACTOR, plan, lambda _row: note("Importing", next(done), total), name
        )
