"""`callgate calls …`: the data of callers."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.running import ACTOR, print_json, run, settings_for

if TYPE_CHECKING:
    from service.admin.stored_cases import StoredCases
    from service.store.calls.privacy.forgetting import ForgottenCaller

app = typer.Typer(help="Calls.", no_args_is_help=True, add_completion=False)

NAMES = {
    "calls": "calls with the number",
    "transcripts": "transcripts",
    "messages": "messages kept for a server",
    "rejected": "rejected records on this machine",
    "waiting": "not forgotten yet: records and messages on this machine on their way to PostgreSQL",
}


@app.callback()
def calls() -> None:
    """Calls."""


@app.command("forget")
def forget(
    number: Annotated[str, typer.Argument(help="The caller's number, such as +15550100100.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it only count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove a caller from all records; the calls stay with their figures.

    Ends with 1 while records or messages of the caller wait on this machine for PostgreSQL.
    """

    async def work(cases: "StoredCases") -> "ForgottenCaller":
        case = cases.callers.forget if yes else cases.callers.count
        return await case(ACTOR, number)

    found = run(settings_for(), work)
    if as_json:
        print_json({"dry_run": not yes, **asdict(found)})
    else:
        typer.echo("Removed:" if yes else "Nothing was changed. --yes removes:")
        for name, count in asdict(found).items():
            if count or name == "calls":
                typer.echo(f"  {NAMES[name]}: {count}")
    if yes and found.waiting:
        typer.echo("Run the command again once PostgreSQL has taken them.", err=True)
        raise typer.Exit(1)
