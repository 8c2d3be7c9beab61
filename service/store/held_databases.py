"""Databases that are not checked yet: a replica that started in an outage checks the schema before any
other part of it connects.

It is state of the process, because every part opens connections by an address.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HELD: set[str] = set()
CHECKING: ContextVar[bool] = ContextVar("checking", default=False)


class HeldDatabaseError(ConnectionError):
    """The database is not checked yet; it counts as not answering."""


def hold(dsn: str) -> None:
    """Refuse connections to this address until `release`."""
    HELD.add(dsn)


def release(dsn: str) -> None:
    """Allow connections to this address. Safe to call twice."""
    HELD.discard(dsn)


@contextmanager
def checking() -> Iterator[None]:
    """Within it this task may connect to a held address."""
    token = CHECKING.set(True)
    try:
        yield
    finally:
        CHECKING.reset(token)


def verify_released(dsn: str) -> None:
    """Raise `HeldDatabaseError` if this address is held and this task does not check it."""
    if dsn in HELD and not CHECKING.get():
        raise HeldDatabaseError("The database is not checked yet.")
