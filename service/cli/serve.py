"""`callgate serve` and `callgate migrate`."""

import asyncio
from typing import Annotated

import typer

from service.cli.running import database, settings_for
from service.serve.process import serve as serve_settings
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
    reuse_port: Annotated[bool, typer.Option("--reuse-port", hidden=True)] = False,
) -> None:
    """Run the service."""
    settings = settings_for(sandbox=sandbox, serving=True, callgate_host=host, callgate_port=port)
    serve_settings(settings, workers=workers, reuse_port=reuse_port)


@app.command()
def migrate() -> None:
    """Migrate the database to the schema of this version."""
    with database(settings_for()) as dsn:
        asyncio.run(migrate_schema(dsn))
    typer.echo("The schema is up to date.")
