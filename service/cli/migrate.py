"""`callgate migrate`."""

import asyncio

import typer

from service.cli.running import opened_database, settings_for
from service.serve.database import Database, check_addresses, grant_privileges
from service.store.schema import is_current
from service.store.schema import migrate as migrate_schema

app = typer.Typer(add_completion=False)


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
    owner = database.owner or database.session_dsn
    if not await is_current(owner):
        await migrate_schema(owner)
    await grant_privileges(database)
