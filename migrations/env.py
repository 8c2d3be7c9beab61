"""Alembic's environment: runs the revisions on the connection that the service hands over.

`service.store.schema` opens that connection and holds the advisory lock; this file never connects.
"""

from alembic import context
from sqlalchemy import Connection


def run_migrations(connection: Connection) -> None:
    """Run what the caller asked for, with the version table inside our own schema."""
    context.configure(
        connection=connection,
        version_table="alembic_version",
        version_table_schema="callgate",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run_migrations(context.config.attributes["connection"])
