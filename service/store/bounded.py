"""Waits on PostgreSQL that end: a statement that takes too long is abandoned, not waited for.

asyncpg cancels a statement by a request on a second connection and waits for the answer, which takes as
long as the fault lasts. Here the connection is terminated at once, and the statement is ended from
another connection, as well as it goes: PostgreSQL's own time-outs (`limits`) end what that does not
reach. How many may be abandoned at a time is limited, so that an outage cannot fill the server.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from asyncpg.transaction import Transaction

from service.store.failures import UNAVAILABLE, DatabaseUnavailableError, classify
from service.store.limits import within_allowance

if TYPE_CHECKING:
    Base = asyncpg.Connection[Any]
    BasePool = asyncpg.Pool[Any]
else:
    Base = asyncpg.Connection
    BasePool = asyncpg.Pool

MOST_ABANDONED = 8
RELEASE_SECONDS = 2.0
END_SECONDS = 2.0
AGAIN_SECONDS = 0.5
FORGET_SECONDS = 30.0
"""Longer than PostgreSQL lets any statement of a pool run."""

# A process number is used again one day: the session must be older than its end here.
END = """
SELECT a.pid, pg_terminate_backend(a.pid)
FROM unnest($1::integer[], $2::float8[]) AS gone (pid, age)
JOIN pg_stat_activity a ON a.pid = gone.pid AND a.usename = current_user
    AND a.backend_start < clock_timestamp() - make_interval(secs => gone.age)
"""

log = structlog.get_logger()


class TooManyAbandonedError(ConnectionError):
    """No new connection: as many abandoned statements as allowed may still run."""


@asynccontextmanager
async def at_most(seconds: float) -> AsyncIterator[None]:
    """Bound work on PostgreSQL; what runs at the end is abandoned.

    Raises `TimeoutError`. An error that its type alone does not show as one of `UNAVAILABLE` becomes
    `DatabaseUnavailableError`.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncpg.PostgresError as exc:
        if isinstance(exc, UNAVAILABLE) or classify(exc) != "unavailable":
            raise
        raise DatabaseUnavailableError("PostgreSQL cannot do the work now.") from exc


class Abandoned:
    """The statements of one pool that were abandoned and may still run.

    `connect` opens the connection that ends them. One task works while there are any.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], most: int = MOST_ABANDONED) -> None:
        self.connect = connect
        self.most = most
        self.sessions: dict[int, float] = {}
        self.ending: asyncio.Task[None] | None = None

    def add(self, session: int) -> None:
        """Have the statement of a session ended; `session` is its process number."""
        self.sessions[session] = time.monotonic()
        if self.ending is None or self.ending.done():
            self.ending = asyncio.get_running_loop().create_task(self.end_all())

    def check_room(self) -> None:
        """Raise `TooManyAbandonedError` if no connection may be opened in the place of another."""
        if len(self.sessions) >= self.most:
            raise TooManyAbandonedError(
                f"{len(self.sessions)} abandoned statements may still run in PostgreSQL."
            )

    def stop(self) -> None:
        """Leave the rest to PostgreSQL's own time-outs."""
        if self.ending is not None:
            self.ending.cancel()

    async def end_all(self) -> None:
        """End them until none is left."""
        while self.sessions:
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(END_SECONDS):
                    await self.end_once()
            now = time.monotonic()
            for session, at in list(self.sessions.items()):
                if now - at > FORGET_SECONDS:
                    del self.sessions[session]
            if self.sessions:
                await asyncio.sleep(AGAIN_SECONDS)

    async def end_once(self) -> None:
        """Terminate the sessions, and forget those that are gone."""
        now = time.monotonic()
        asked = {session: now - at for session, at in self.sessions.items()}
        connection = await self.connect()
        try:
            rows = await connection.fetch(END, list(asked), list(asked.values()))
        finally:
            connection.terminate()
        for session in asked.keys() - {row["pid"] for row in rows}:
            self.sessions.pop(session, None)


def count_abandoned(*pools: BasePool) -> int:
    """How many abandoned statements of these pools may still run."""
    return sum(len(pool.abandoned.sessions) for pool in pools if isinstance(pool, BoundedPool))


class BoundedTransaction(Transaction):
    """A transaction whose first error counts: a lost connection has rolled it back already."""

    def __init__(
        self, connection: "BoundedConnection", isolation: Any, readonly: bool, deferrable: bool
    ) -> None:
        super().__init__(connection, isolation, readonly, deferrable)
        self.bounded = connection

    async def __aexit__(
        self,
        extype: object,
        ex: object,
        tb: object,
    ) -> None:
        try:
            await super().__aexit__(extype, ex, tb)
        except UNAVAILABLE:
            if ex is None or not self.bounded.is_closed():
                raise


class BoundedConnection(Base):
    """A connection that is terminated when a statement on it times out or is cancelled."""

    __slots__ = ("abandoned",)

    abandoned: Abandoned

    def get_reset_query(self) -> str:
        """None, which saves a round trip whenever a connection goes back to its pool: no session of a
        pool keeps a lock, a setting or a cursor beyond its transaction. Behind a pooler in transaction
        mode it would be the session of another client. asyncpg ends a transaction that is still open.
        """
        return ""

    def transaction(
        self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        """A transaction block."""
        return BoundedTransaction(self, isolation, readonly, deferrable)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """A statement, within the allowance of its request."""
        async with within_allowance():
            return str(await super().execute(query, *args, timeout=timeout))

    async def _execute(self, *args: Any, **given: Any) -> Any:
        """asyncpg's way for every statement with rows or arguments."""
        async with within_allowance():
            return await super()._execute(*args, **given)  # type: ignore[misc]

    async def _executemany(self, *args: Any, **given: Any) -> Any:
        """asyncpg's way for several executions of one statement."""
        async with within_allowance():
            return await super()._executemany(*args, **given)  # type: ignore[misc]

    def _cancel_current_command(self, *_waiters: Any) -> None:
        """asyncpg's hook for a time-out or a cancelled task. It is in the middle of its own work:
        the connection ends on the loop's next turn, which completes both futures."""
        abandoned = getattr(self, "abandoned", None)
        if abandoned is not None:
            abandoned.add(self.get_server_pid())
        asyncio.get_running_loop().call_soon(self.terminate)


class BoundedPool(BasePool):
    """A pool that takes connections back in time."""

    __slots__ = ("abandoned",)

    abandoned: Abandoned

    async def _acquire(self, timeout: float | None) -> Any:
        """asyncpg's way for every connection, within the allowance of its request."""
        async with within_allowance():
            return await super()._acquire(timeout)  # type: ignore[misc]

    async def close(self) -> None:
        """Wait until all connections are back, and close them."""
        await super().close()
        self.abandoned.stop()

    def terminate(self) -> None:
        """Close every connection at once."""
        super().terminate()
        self.abandoned.stop()

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Take a connection back. One that is lost meanwhile has done its work: that is no error."""
        with suppress(*UNAVAILABLE):
            await super().release(connection, timeout=timeout or RELEASE_SECONDS)
