"""`callgate calls …`: the data of callers."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.running import ACTOR, print_json, run, settings_for

if TYPE_CHECKING:
    from service.admin.use_cases import UseCases
    from service.store.calls.privacy.forgetting import ForgottenCaller


app = typer.Typer(help="Calls.", no_args_is_help=True, add_completion=False)


@app.callback()
def calls() -> None:
    """Calls."""


@app.command("forget")
def forget(
    number: Annotated[str, typer.Argument(help="The caller's number, such as +15551234567.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove a caller's number from all calls, with transcripts and with messages that wait for
    clients' servers. Durations and costs stay. It cannot be undone.

    Ends with 0, also if no call has the number.
    """

    async def work(cases: "UseCases") -> "ForgottenCaller":
        return await cases.callers.forget(ACTOR, number)

    found = run(settings_for(), work)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(
            f"Removed the number from {found.calls} calls, with {found.transcripts} transcripts and "
            f"{found.messages} kept messages."
        )
