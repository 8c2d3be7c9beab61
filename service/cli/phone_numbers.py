"""`callgate numbers …`: reads a file or Vapi, calls the use case, prints, asks, applies."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from service.admin.imports.csv_file import MAX_BYTES
from service.admin.imports.imports import Imports
from service.admin.imports.number_rows import parse_import
from service.admin.imports.plan import ImportPlan
from service.admin.imports.vapi_numbers import VapiNumber
from service.admin.use_cases import UseCases
from service.cli import imports as report
from service.cli.running import ACTOR, print_json, run, settings_for
from service.domain.errors import InvalidError
from service.store.phone_numbers.lookups import count_pending

PENDING = (
    "{count} of these numbers are still pending: a running `callgate serve` configures them, or "
    "run `callgate reconcile`."
)
HELD = (
    "Nothing was applied: rows with an error: {errors}. Correct them, or pass --yes to apply the other "
    "{count} changes without them."
)

app = typer.Typer(help="Phone numbers.", no_args_is_help=True, add_completion=False)


@app.callback()
def numbers() -> None:
    """Phone numbers."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import."""

    dry_run: bool
    yes: bool
    json: bool
    name: str


@app.command("import")
def import_numbers(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.csv",
            help="Columns phone_number (Vapi's id, or E.164), organization (its id, external id "
            "or name), label, gate. A - reads standard input.",
        ),
    ] = None,
    *,
    from_vapi: Annotated[
        bool, typer.Option("--from-vapi", help="List numbers at Vapi that are not registered.")
    ] = False,
    organization: Annotated[
        str | None,
        typer.Option(help="With --from-vapi: register all of them for this organization."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="With --from-vapi: print a file to fill in.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the question.")] = False,
) -> None:
    """Register many phone numbers at once; safe to repeat.

    Without a terminal and without --yes, nothing is applied when a row has an error.

    Ends with 0 on success, 1 when a row has an error, and 2 when a dry run found changes.
    """
    if (file is None) is not from_vapi:
        raise InvalidError("Give a CSV file (- for standard input), or --from-vapi.")
    if not from_vapi and (organization is not None or as_csv):
        raise InvalidError("--organization and --csv go with --from-vapi.")
    if as_csv and (organization is not None or as_json):
        raise InvalidError("--csv goes with neither --organization nor --json.")
    rows = parse_import(read_file(file)) if file is not None else []
    settings = settings_for(serving=True)
    options = ImportOptions(dry_run, yes, as_json, Path(file).name if file else "Vapi's list")

    async def work(cases: UseCases) -> int:
        imports = cases.imports
        if from_vapi and organization is None:
            return await list_unregistered(imports, as_csv=as_csv, as_json=as_json)
        with report.console(errors=True).status("Asking Vapi …"):
            plan = await (
                imports.plan(rows)
                if organization is None
                else imports.plan_unregistered(organization)
            )
        return await carry_out(imports, plan, options)

    raise typer.Exit(run(settings, work))


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


async def list_unregistered(imports: Imports, *, as_csv: bool, as_json: bool) -> int:
    """Print the numbers at Vapi that are not registered here."""
    found: list[VapiNumber] = []
    async for page in imports.unregistered():
        found.extend(page)
    if as_csv:
        report.print_csv(found)
    elif as_json:
        print_json(found)
    else:
        report.show_numbers(found)
    return 0


async def carry_out(imports: Imports, plan: ImportPlan, options: ImportOptions) -> int:
    """Show the plan, ask, apply it, and report the result; the exit code."""
    held = plan.has_errors and not options.yes and not is_interactive()
    apply = plan.to_do > 0 and not options.dry_run and not held
    if plan.warning:
        typer.echo(f"Warning: {plan.warning}", err=True)
    if not options.json:
        report.show_plan(plan)
        typer.echo(report.sentence(plan, applied=False))
    pending = 0
    if apply:
        confirm(plan, options)
        before, plan = plan, await apply_plan(imports, plan, options.name)
        if not options.json:
            report.show_failures(before, plan)
        ids = [row.phone_number_id for row in plan.rows if row.action in ("create", "update")]
        pending = await count_pending(imports.pool, [found for found in ids if found is not None])
    if options.json:
        report.print_plan(plan, applied=apply, pending=pending)
    elif apply:
        typer.echo(report.sentence(plan, applied=True))
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


async def apply_plan(imports: Imports, plan: ImportPlan, name: str) -> ImportPlan:
    """Apply, with progress on a terminal."""
    out = report.console(errors=True)
    with Progress(console=out, disable=not out.is_terminal, transient=True) as progress:
        task = progress.add_task("Registering", total=len(plan.rows))
        return await imports.apply(ACTOR, plan, lambda _row: progress.advance(task), name)
