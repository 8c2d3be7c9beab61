"""`callgate numbers …`: reads a file or Vapi, calls the use case, prints, asks, applies."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from service.admin.imports.imports import Imports
from service.admin.imports.known_numbers import VapiNumber
from service.admin.imports.number_rows import parse_import
from service.admin.imports.plan import ImportPlan
from service.cli import imports as report
from service.cli.imports import ImportOptions, carry_out, read_file
from service.cli.running import print_json, run_with_vapi, settings_for
from service.domain.errors import InvalidError
from service.serve.command_rooms import CommandRooms
from service.store.phone_numbers.lookups import count_pending

app = typer.Typer(help="Phone numbers.", no_args_is_help=True, add_completion=False)


@app.callback()
def numbers() -> None:
    """Phone numbers."""


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

    async def work(rooms: CommandRooms) -> int:
        imports = Imports.patient(rooms.pool, rooms.core.client)
        if from_vapi and organization is None:
            return await list_unregistered(imports, as_csv=as_csv, as_json=as_json)
        with report.console(errors=True).status("Asking Vapi …"):
            plan = await (
                imports.plan(rows)
                if organization is None
                else imports.plan_unregistered(organization)
            )
        return await carry_out(imports, plan, options, partial(count_due, imports))

    raise typer.Exit(run_with_vapi(settings, work))


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


async def count_due(imports: Imports, plan: ImportPlan) -> int:
    """How many of the imported numbers wait for the service."""
    ids = [row.phone_number_id for row in plan.rows if row.action in ("create", "update")]
    return await count_pending(imports.pool, [found for found in ids if found is not None])
