"""`callgate reconcile`: a sweep by hand, with its plan as a table or as JSON."""

import sys
from dataclasses import asdict
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.progress import Note, progress
from service.cli.running import print_json, run_with_vapi, settings_for
from service.domain.errors import CallgateError, ConflictError
from service.domain.phone_numbers import FieldDrift, Order
from service.domain.sweeps import Repair, SweepReport, SweepRequest
from service.domain.wording.sweeps import describe_checked, describe_row
from service.reconcile.errors import ImplausibleListError
from service.serve.command_rooms import CommandRooms
from service.settings import Settings
from service.store.phone_numbers import phone_numbers

IN_SYNC, FAILED, DRIFT = 0, 1, 2
MOST_ROWS = 200
WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""
WORDS = {"look": "Comparing", "repair": "Repairing"}

Labels = dict[str, str]

app = typer.Typer(add_completion=False)


@app.command()
def reconcile(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would change.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    plan: Annotated[
        str | None,
        typer.Option(help="Apply the plan that a dry run named, whatever its size."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Approve more changes than the brake allows.")
    ] = False,
) -> None:
    """Compare all numbers with Vapi and repair drift.

    Ends with 0 when all numbers are in sync, 2 when a dry run found drift, 1 on failure.
    """
    settings = settings_for(serving=True)
    with progress(show=not as_json) as note:
        telling = tell_by(note)
        request = SweepRequest(Order("command line", "cli"), dry_run, plan, None, telling)
        try:
            report, labels = sweep(settings, request)
        except ImplausibleListError as exc:
            if not as_json:
                show_unlisted(exc)
            raise
        except ConflictError as exc:
            found = exc.facts.get("plan")
            if exc.code != "too_many_changes" or not (yes or confirmed(exc, as_json=as_json)):
                raise
            request = SweepRequest(request.order, dry_run, str(found), None, telling)
            report, labels = sweep(settings, request)
    if as_json:
        print_json(asdict(report))
    else:
        show(report, labels)
    raise typer.Exit(exit_code(report))


def sweep(settings: Settings, request: SweepRequest) -> tuple[SweepReport, Labels]:
    """The sweep itself, and the labels of its numbers."""

    async def work(rooms: CommandRooms) -> tuple[SweepReport, Labels]:
        report = await rooms.sweeper.sweep(request)
        if not request.dry_run:
            # Numbers that were added or released, or that failed, are due: no service may run.
            await rooms.sweeper.work_off()
        listed = [repair.phone_number_id for repair in (*report.repairs, *report.left)[:MOST_ROWS]]
        return report, await phone_numbers.find_labels(rooms.pool, listed)

    return run_with_vapi(settings, work)


def tell_by(note: Note) -> Note:
    """Name the two parts of a sweep as people do."""
    return lambda part, done, total: note(WORDS[part], done, total)


def exit_code(report: SweepReport) -> int:
    """The exit code of the contract: 2 for drift in a dry run only. An incomplete list is a failure."""
    if report.incomplete:
        return FAILED
    if report.dry_run:
        return FAILED if report.failed else DRIFT if report.drifted or report.remaining else IN_SYNC
    unrepaired = report.drifted - report.repaired - report.paused
    return FAILED if report.failed or unrepaired > 0 else IN_SYNC


def confirmed(exc: CallgateError, *, as_json: bool) -> bool:
    """Ask on a terminal whether so many changes are intended; without a terminal, no."""
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    typer.echo(exc.message)
    return typer.confirm("Apply all of them?")


def show(report: SweepReport, labels: Labels) -> None:
    """The plan as a table, then the counts in a line."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    rows = [("repair", one) for one in report.repairs] + [("leave", one) for one in report.left]
    if rows or report.missing_numbers:
        table = Table("number", "", "field", "at Vapi", "desired", box=None)
        for action, repair in rows[:MOST_ROWS]:
            add_rows(table, action, repair, labels)
        for one in report.missing_numbers[:MOST_ROWS]:
            table.add_row(Text(one.name), Text("missing", "red"), Text(describe_row(one)))
        console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"… and {len(rows) - MOST_ROWS} more (--json shows all).")
    if len(report.missing_numbers) > MOST_ROWS:
        console.print(f"… and {len(report.missing_numbers) - MOST_ROWS} more missing numbers.")
    typer.echo(describe_checked(report))
    if report.caveat:
        typer.echo(report.caveat)
    if report.dry_run and report.repairs:
        typer.echo(f"Nothing was changed. Plan: {report.plan}")


def show_unlisted(exc: CallgateError) -> None:
    """The numbers that Vapi's list lacks, as a table; the error itself says why they are suspected."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table("number", "", "id", box=None)
    numbers = exc.facts["numbers"]
    for one in numbers if isinstance(numbers, list) else []:
        table.add_row(Text(one["name"]), Text("not listed", "yellow"), Text(one["phone_number_id"]))
    console.print(table)


def add_rows(table: Table, action: str, repair: Repair, labels: Labels) -> None:
    """One number, a row per field."""
    name = labels.get(str(repair.phone_number_id), str(repair.phone_number_id))
    style = "yellow" if action == "leave" else "green"
    for place, entry in enumerate(repair.changes):
        table.add_row(
            Text(name if place == 0 else ""),
            Text(action if place == 0 else "", style),
            Text(entry.field),
            Text(short(entry, "observed"), "red"),
            Text(short(entry, "desired"), "green"),
        )


def short(entry: FieldDrift, side: str) -> str:
    """A value in a cell."""
    value = getattr(entry, side)
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"
