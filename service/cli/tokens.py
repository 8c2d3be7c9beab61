"""`callgate token …`: API tokens."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.running import ACTOR, print_json, role_of, run, settings_for
from service.domain.people import SCOPES, Scope
from service.store.clock import get_now

if TYPE_CHECKING:
    from service.admin.stored_cases import StoredCases
    from service.store.people.tokens import ApiToken


app = typer.Typer(help="API tokens.", no_args_is_help=True, add_completion=False)


@app.callback()
def tokens() -> None:
    """API tokens."""


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[str, typer.Option(help="viewer, support or admin.")] = "viewer",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="An area of the API, such as calls; repeatable. Default: all areas."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create an API token and print it once."""
    wanted = scopes_of(scope or [])

    async def work(cases: "StoredCases") -> "tuple[ApiToken, str]":
        expires_at = None
        if days:
            expires_at = await get_now(cases.pool) + timedelta(days=days)
        return await cases.tokens.create(
            ACTOR, name=name, role=role_of(role), scopes=wanted, expires_at=expires_at
        )

    made, secret = run(settings_for(), work)
    if as_json:
        print_json({**asdict(made), "token": secret})
    else:
        typer.echo(secret)


def scopes_of(names: list[str]) -> list[Scope]:
    """The scopes with these names. Raises `typer.BadParameter`."""
    if unknown := set(names).difference(SCOPES):
        listed, known = ", ".join(sorted(unknown)), ", ".join(SCOPES)
        raise typer.BadParameter(f"{listed}: choose from {known}", param_hint="--scope")
    return [scope for scope in SCOPES if scope in names]
