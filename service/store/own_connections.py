"""Connections outside the pool, each for one purpose, whose every answer has a short deadline.

Past it the connection is terminated, not cancelled: a cancel request goes through the same network
and may hang as well. PostgreSQL ends the abandoned statement by `statement_timeout`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from service.store.pool import Connection, open_connection, prepare

Result = TypeVar("Result")

FIRST_SECONDS, MOST_SECONDS = 1.0, 4.0
SLOW_FACTOR = 3.0
SET_TIMEOUT = "SELECT set_config('statement_timeout', $1::text, false)"
STALL_SECONDS = 0.05
"""Beyond the deadline. After the loop itself was held up, its timers run before the answer is read."""
DROP_SECONDS = 0.5
"""How long a statement may take to notice that its connection is gone: it takes a turn of the loop."""


@dataclass(slots=True)
class Patience:
    """How many seconds to wait for an answer: one, and more where answers are known to take long.

    So a dead connection is noticed at once, while a slow network is still usable.
    """

    seconds: float = FIRST_SECONDS

    def fail(self) -> None:
        """Wait twice as long the next time: no answer came."""
        self.seconds = min(self.seconds * 2, MOST_SECONDS)

    def succeed(self, took: float) -> None:
        """Wait a small multiple of what an answer took."""
        self.seconds = min(max(FIRST_SECONDS, took * SLOW_FACTOR), MOST_SECONDS)


async def within(connection: Connection, seconds: float, work: Awaitable[Result]) -> Result:
    """The result of a statement. Past `seconds`, or when cancelled, the connection is terminated.

    Raises `TimeoutError`, and what the statement raises.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            await asyncio.wait({task}, timeout=STALL_SECONDS)
        if task.done():
            return task.result()
        raise TimeoutError(f"PostgreSQL did not answer within {seconds:g} s.")
    finally:
        if not task.done():
            connection.terminate()
            await asyncio.wait({task}, timeout=DROP_SECONDS)
            # Retrieved, or asyncio would log that the exception never was.
            _ = task.done() and not task.cancelled() and task.exception()


class OwnConnection:
    """One connection, opened when it is needed and dropped after any failure. Questions at once take
    turns, each with its own deadline.

    `name` is what `pg_stat_activity` calls it.
    """

    def __init__(self, dsn: str, name: str) -> None:
        self.dsn = dsn
        self.name = name
        self.patience = Patience()
        self.connection: Connection | None = None
        self.turns = asyncio.Lock()

    async def ask(self, question: Callable[[Connection], Awaitable[Result]]) -> Result:
        """The answer to a question. Raises one of `UNAVAILABLE`; then the connection is dropped."""
        async with self.turns:
            return await self.ask_next(question)

    async def ask_next(self, question: Callable[[Connection], Awaitable[Result]]) -> Result:
        try:
            connection = self.connection or await self.open()
            began = time.monotonic()
            found = await within(connection, self.patience.seconds, question(connection))
        except BaseException as exc:
            if isinstance(exc, TimeoutError):
                self.patience.fail()
            self.drop()
            raise
        self.patience.succeed(time.monotonic() - began)
        return found

    async def open(self) -> Connection:
        """Open the connection; each step has the deadline anew."""
        seconds = self.patience.seconds
        self.connection = connection = await open_connection(self.dsn, self.name, seconds)
        await within(connection, seconds, prepare(connection))
        limit = connection.fetchval(SET_TIMEOUT, str(round(MOST_SECONDS * 1000)))
        await within(connection, seconds, limit)
        return connection

    def drop(self) -> None:
        """Close the connection at once; the next question opens another."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.terminate()
