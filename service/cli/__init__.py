"""The command line: `callgate …`. Each command reads settings, calls a use case, prints."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.request import build_request
from service.admin.actor import Actor
from service.admin.people.tokens import Tokens
from service.cli.doctor import doctor
from service.cli.people import admin_app, role_of
from service.cli.phone_numbers import numbers_app
from service.cli.reconcile import reconcile
from service.cli.running import database, settings_for, with_pool
from service.cli.secrets import secrets
from service.domain.errors import CallgateError
from service.domain.organizations import Organization
from service.domain.people import SCOPES
from service.serve.database import StartError
from service.serve.process import serve as serve_app
from service.settings import SettingsError
from service.store.clock import get_now
from service.store.organizations import organizations
from service.store.pool import UNAVAILABLE, Pool
from service.store.postgres.server import EmbeddedPostgresError
from service.store.schema import SchemaError
from service.store.schema import migrate as migrate_schema

app = typer.Typer(
    help="No plan, no call: the access gate for voice assistants on Vapi.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
token_app = typer.Typer(help="API tokens.", no_args_is_help=True)
app.add_typer(token_app, name="token")
app.add_typer(admin_app, name="admin")
app.add_typer(numbers_app, name="numbers")
app.command()(reconcile)
app.command()(doctor)
app.command()(secrets)


@app.command()
def serve(
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="A local stand-in for Vapi and sample data.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    reuse_port: Annotated[bool, typer.Option("--reuse-port", hidden=True)] = False,
) -> None:
    """Run the service."""
    settings = settings_for(sandbox=sandbox, serving=True, callgate_host=host, callgate_port=port)
    serve_app(settings, workers=workers, reuse_port=reuse_port)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = settings_for()
    with database(settings) as dsn:
        asyncio.run(migrate_schema(dsn))
    typer.echo("The schema is up to date.")


@app.command()
def policies() -> None:
    """List the chain of access policies in order."""
    loaded = load_policies()
    table = Table("order", "policy", "plugin", "version", "on failure", box=None)
    for policy in loaded.policies:
        table.add_row(
            str(policy.order), policy.name, policy.plugin, policy.version, policy.on_failure
        )
    Console().print(table)
    for fault in loaded.problems:
        typer.echo(f"not loaded: {fault.plugin} {fault.version}: {fault.message}", err=True)
    if loaded.problems:
        raise typer.Exit(1)


@app.command()
def explain(
    organization: Annotated[str, typer.Argument(help="Its id or external id.")],
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S"], help="Another instant, UTC.")
    ] = None,
) -> None:
    """Say whether an organization may have calls, and why."""

    async def work(pool: Pool) -> tuple[Organization | None, datetime]:
        try:
            found = await organizations.find(pool, UUID(organization))
        except ValueError:
            found = await organizations.find_by_external_id(pool, organization)
        return found, await get_now(pool)

    found, now = with_pool(settings_for(), work)
    if found is None:
        typer.echo(f"There is no organization {organization!r}.", err=True)
        raise typer.Exit(1)
    instant = at.replace(tzinfo=UTC) if at else now
    chain = AccessChain(load_policies().policies)
    decision = asyncio.run(chain.decide(build_request(found, instant), basis="fresh"))
    verdict = "allowed" if decision.allowed else "denied"
    by = f" by {decision.determined_by}" if decision.determined_by else ""
    typer.echo(f"{found.name}: {verdict}, {decision.reason}{by} (at {instant.isoformat()})")
    table = Table("policy", "verdict", "reason", box=None)
    for entry in decision.trace:
        table.add_row(entry.policy, entry.effect, entry.reason or "")
    Console().print(table)


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: Annotated[str, typer.Option(help="viewer, support or admin.")] = "viewer",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="An area of the API, such as calls; may be repeated. Without: all."),
    ] = None,
) -> None:
    """Make an API token; it is printed once."""
    wanted = [found for found in SCOPES if found in (scope or ())]
    if unknown := set(scope or ()).difference(SCOPES):
        names = ", ".join(sorted(unknown))
        known = ", ".join(SCOPES)
        raise typer.BadParameter(f"{names}: choose from {known}", param_hint="--scope")

    async def work(pool: Pool) -> str:
        expires_at = await get_now(pool) + timedelta(days=days) if days else None
        _, secret = await Tokens(pool, "").create(
            Actor("command line", "admin", "cli"),
            name=name,
            role=role_of(role),
            scopes=wanted,
            expires_at=expires_at,
        )
        return secret

    typer.echo(with_pool(settings_for(), work))


def main() -> None:
    """Run a command; what an operator can mend is said in a sentence and ends with 1."""
    try:
        app()
    except (
        SettingsError,
        StartError,
        EmbeddedPostgresError,
        SchemaError,
        CallgateError,
    ) as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(1)
    except UNAVAILABLE as exc:
        sys.stderr.write(f"The database does not answer ({type(exc).__name__}).\n")
        sys.exit(1)
