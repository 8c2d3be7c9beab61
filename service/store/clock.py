"""The database's clock, by which the service decides."""

from datetime import datetime

from service.store.pool import Connection, Pool

NOW = "SELECT now()"


async def get_now(database: Pool | Connection) -> datetime:
    """The database's time; inside a transaction the instant at which the transaction began."""
    found: datetime = await database.fetchval(NOW)
    return found
