"""How long PostgreSQL lets our statements run by kind of work, and how long a request waits for it.

The time-outs of PostgreSQL hold when our own waits ended already, or when we are gone: no statement,
lock or transaction of ours outlives them. A pooler that refuses such parameters is used without them.

A request has several statements, and some work goes on after one that failed. Within `waiting_at_most`
they share one allowance: once it is used up every further wait fails at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

ANSWER_SECONDS = 0.5
REQUEST_SECONDS = 2.5
"""How long an ordinary request of the API or the panel waits for PostgreSQL, in all its statements: in
an outage a person has an answer within three seconds. A long one (`is_long`: sweeps, imports, undos,
replays, exports, streams) waits so long to be authenticated; then the limits of each statement hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; 0: no limit. `statement_seconds` for one statement, `lock_seconds` for one lock,
    `idle_seconds` for an open transaction that does nothing."""

    statement_seconds: float
    lock_seconds: float
    idle_seconds: float

    @property
    def command_seconds(self) -> float:
        """How long we wait for an answer: a little longer than the statement may run. PostgreSQL's
        time-outs do not reach us over a half-open connection."""
        return self.statement_seconds + ANSWER_SECONDS

    def server_settings(self) -> dict[str, str]:
        """As parameters of a session."""
        return {
            "statement_timeout": milliseconds(self.statement_seconds),
            "lock_timeout": milliseconds(self.lock_seconds),
            "idle_in_transaction_session_timeout": milliseconds(self.idle_seconds),
        }


CALLS = Limits(statement_seconds=3.0, lock_seconds=1.5, idle_seconds=5.0)
"""Records of calls and their hang-ups: a message waits for them for two seconds at most."""
REQUESTS = Limits(statement_seconds=10.0, lock_seconds=3.0, idle_seconds=15.0)
"""The API, the panel, loops, imports and exports, which read page by page."""
SESSIONS = Limits(statement_seconds=10.0, lock_seconds=0.0, idle_seconds=15.0)
"""Connections outside the pool: for notifications, and for locks that a session waits for."""
MIGRATIONS = Limits(statement_seconds=0.0, lock_seconds=15.0, idle_seconds=0.0)
"""Changes of tables may take long, but must not keep every call waiting behind their lock."""


def milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


@dataclass(slots=True)
class Allowance:
    """The seconds that are left; `over` when the work has ended."""

    seconds: float
    over: bool = False


ALLOWANCE: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Bound what this task, and those that it starts, wait for PostgreSQL in all.

    What outlives this has the limits of its pool again.
    """
    allowance = Allowance(seconds)
    token = ALLOWANCE.set(allowance)
    try:
        yield
    finally:
        allowance.over = True
        ALLOWANCE.reset(token)


@contextmanager
def waiting_at_least(seconds: float) -> Iterator[None]:
    """Let the end of a request wait for so long, even if its work has used up the allowance."""
    allowance = ALLOWANCE.get()
    if allowance is not None:
        allowance.seconds = max(allowance.seconds, seconds)
    yield


@contextmanager
def without_allowance() -> Iterator[None]:
    """Let long work within a request wait as long as its pool's limits say."""
    token = ALLOWANCE.set(None)
    try:
        yield
    finally:
        ALLOWANCE.reset(token)


@asynccontextmanager
async def within_allowance() -> AsyncIterator[None]:
    """One wait, for a connection or for an answer. Raises `TimeoutError` at the end of the allowance."""
    allowance = ALLOWANCE.get()
    if allowance is None or allowance.over:
        yield
        return
    if allowance.seconds <= 0:
        raise TimeoutError
    began = time.monotonic()
    try:
        # A wait within this one, such as a connection's first statements, is counted once.
        with without_allowance():
            async with asyncio.timeout(allowance.seconds):
                yield
    finally:
        allowance.seconds -= time.monotonic() - began
