"""`callgate serve` and `callgate migrate`."""

import asyncio
from typing import Annotated

import typer

from service.cli.running import opened_database, settings_for
from service.serve.database import Database, check_addresses, grant_privileges
from service.serve.process import serve as serve_settings
from service.store.installation import Mode
from service.store.schema import migrate as migrate_schema

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run with a local Vapi and sample data.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    worker_of: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Run the service."""
    settings = settings_for(sandbox=sandbox, serving=True, callgate_host=host, callgate_port=port)
    mode: Mode = "sandbox" if sandbox or worker_of == "sandbox" else "real"
    serve_settings(settings, mode=mode, workers=workers, reuse_port=bool(worker_of))


@app.command()
def migrate() -> None:
    """Migrate the database to the schema of this version."""
    settings = settings_for()
    with opened_database(settings) as found:
        asyncio.run(migrate_and_grant(found))
    typer.echo("The schema is up to date.")


async def migrate_and_grant(database: Database) -> None:
    """Migrate as the owner, and give the service's role what it needs."""
    await check_addresses(database)
    await migrate_schema(database.owner or database.session_dsn)
    await grant_privileges(database)
