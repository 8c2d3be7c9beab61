"""`callgate organizations …`: reads a file, calls the use case, prints, asks, applies."""

from pathlib import Path
from typing import Annotated

import typer

from service.admin.deciding_cases import DecidingCases
from service.admin.imports.organization_rows import parse_organizations
from service.cli.imports import ImportOptions, carry_out, read_file
from service.cli.running import run_deciding, settings_for

app = typer.Typer(help="Organizations.", no_args_is_help=True, add_completion=False)


@app.callback()
def organizations() -> None:
    """Organizations."""


@app.command("import")
def import_organizations(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE.csv",
            help="Columns name, external_id, plan, status, current_period_end, trial_ends_at, "
            "blocked_message, time_zone. A - reads standard input.",
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the question.")] = False,
) -> None:
    """Add many organizations at once, with their plans and trials; safe to repeat.

    An empty cell changes nothing. Without a terminal and without --yes, nothing is applied when a
    row has an error.

    Ends with 0 on success, 1 when a row has an error, and 2 when a dry run found changes.
    """
    rows = parse_organizations(read_file(file))
    options = ImportOptions(dry_run, yes, as_json, Path(file).name)

    async def work(cases: DecidingCases) -> int:
        imports = cases.organization_imports
        return await carry_out(imports, await imports.plan(rows), options)

    raise typer.Exit(run_deciding(settings_for(serving=True), work))
