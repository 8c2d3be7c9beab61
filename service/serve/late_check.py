"""The check of a database that did not answer at the start, as soon as it does."""

import math
from collections.abc import Callable

import structlog

from service.background import BackgroundLoop
from service.serve.database import Database, StartError, check_database
from service.store.failures import UNUSABLE
from service.store.held_databases import checking, hold, release
from service.store.installation import Mode, WrongModeError
from service.store.pool import UNAVAILABLE
from service.store.pooling import PoolingError
from service.store.schema import SchemaError, is_empty

log = structlog.get_logger()


def do_nothing() -> None:
    """Until the process says how it ends."""


class NotRestoredError(ConnectionError):
    """The database is empty: a backup may be on its way into it."""


class LateCheck:
    """Holds every connection of this process back until the schema is known to fit.

    `refused` is set, and `ending` with it, once PostgreSQL answers with a database that does not fit.
    """

    def __init__(self, database: Database, mode: Mode) -> None:
        self.database = database
        self.mode = mode
        self.refused: StartError | None = None
        self.on_refusal: Callable[[], None] = do_nothing
        for dsn in (database.dsn, database.session_dsn):
            hold(dsn)

    def background(self) -> BackgroundLoop:
        """One successful check."""
        return BackgroundLoop(
            "database_check",
            self.turn,
            interval=math.inf,
            outages=(*UNAVAILABLE, *UNUSABLE),
        )

    async def turn(self) -> None:
        """Check once; whatever PostgreSQL lacks besides a fitting schema may still come back."""
        try:
            with checking():
                if await is_empty(self.database.owner or self.database.session_dsn):
                    raise NotRestoredError("The database is empty.")
                await check_database(self.database, self.mode)
        except (SchemaError, WrongModeError, PoolingError) as exc:
            self.refused = StartError(str(exc))
            self.on_refusal()
        else:
            for dsn in (self.database.dsn, self.database.session_dsn):
                release(dsn)
            log.info("database.checked")
