"""`callgate secrets`: the progress of a rotation of the webhook secret."""

import secrets as random_secrets
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.admin.reconcile.secrets import SecretStatus, is_done
from service.cli.running import print_json, run, settings_for

if TYPE_CHECKING:
    from service.admin.stored_cases import StoredCases


EVERY_SECONDS = 5.0
DONE, FAILED, IN_USE = 0, 1, 2
STEPS = """\
1. Deploy VAPI_WEBHOOK_SECRET=<old>,<new> everywhere: both are accepted.
2. Deploy VAPI_WEBHOOK_SECRET=<new>,<old>: secrets of the new one are written to every number.
3. callgate secrets --watch, until the old one may be retired; then deploy <new> alone."""


app = typer.Typer(add_completion=False)


@app.command()
def secrets(
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until it is done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Print a new secret and the steps.")] = False,
) -> None:
    """Show which webhook secrets numbers carry and Vapi uses.

    Ends with 0 when every secret but the first may be retired, 2 while one is still in use, 1 on
    failure.
    """
    if new:
        made = random_secrets.token_urlsafe(32)
        if as_json:
            print_json({"secret": made})
        else:
            typer.echo(made)
        typer.echo(STEPS, err=True)
        return
    settings = settings_for()
    if not settings.webhook_secrets:
        typer.echo("VAPI_WEBHOOK_SECRET is missing: callgate secrets --new prints one.", err=True)
        raise typer.Exit(FAILED)

    async def work(cases: "StoredCases") -> list[SecretStatus]:
        return await cases.secrets.status()

    while True:
        statuses = run(settings, work)
        show(statuses, as_json=as_json)
        if is_done(statuses) or not watch:
            raise typer.Exit(DONE if is_done(statuses) else IN_USE)
        time.sleep(EVERY_SECONDS)


def show(statuses: list[SecretStatus], *, as_json: bool) -> None:
    """The table, or the same as JSON."""
    if as_json:
        print_json([asdict(one) for one in statuses])
        return
    names = ("master", "position", "numbers", "last used", "master itself used", "")
    table = Table(*names, box=None)
    for one in statuses:
        used, itself = [
            at.isoformat(timespec="seconds") if at else "never"
            for at in (one.last_used_at, one.master_used_at)
        ]
        position, numbers = str(one.position or "-"), str(one.numbers)
        table.add_row(one.fingerprint, position, numbers, used, itself, one.verdict)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
