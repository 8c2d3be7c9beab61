"""Every class of asyncpg has a class of ours, by the family of its SQLSTATE."""

import inspect
import socket

import asyncpg
import pytest

from service.cli.errors import describe
from service.serve.database import Database, StartError, prepare_database
from service.store.failures import UNAVAILABLE, FailureClass, classify, describe_away

EXPECTED: dict[str, FailureClass] = {
    "08": "unavailable",  # connection
    "22": "refused",  # data
    "23": "refused",  # constraints
    "25006": "unavailable",  # read-only
    "25P01": "unavailable",  # a pooler split a transaction
    "25P03": "unavailable",  # idle in a transaction for too long
    "25P04": "unavailable",  # a transaction that took too long
    "26": "unavailable",  # a pooler lost a prepared statement
    "28": "unavailable",  # sign-in
    "3D": "unavailable",  # the database is gone
    "40": "conflict",
    "21": "refused",
    "42P05": "unavailable",  # a pooler shares prepared statements
    "44": "refused",
    "53": "unavailable",  # full
    "54": "refused",  # too large for PostgreSQL
    "55P03": "unavailable",  # a lock is not available
    "57": "unavailable",  # an operator, a time-out, a stop
    "58": "unavailable",  # the system beneath
    "72": "conflict",
    "F0": "unavailable",
    "XX": "unavailable",  # broken
}
BY_NAME: dict[str, FailureClass] = {
    "FatalPostgresError": "unavailable",
    "UnknownPostgresError": "unavailable",
    "InvalidCachedStatementError": "unavailable",
    "PostgresError": "unavailable",
    "PostgresLogMessage": "bug",
    "InterfaceWarning": "bug",
}


def classes() -> list[type[Exception]]:
    found = {one for _, one in inspect.getmembers(asyncpg.exceptions, inspect.isclass)}
    return sorted(
        (one for one in found if issubclass(one, Exception)), key=lambda one: one.__name__
    )


def expected(kind: type[Exception]) -> FailureClass:
    if kind.__name__ in BY_NAME:
        return BY_NAME[kind.__name__]
    state = getattr(kind, "sqlstate", None)
    if state is None:
        return "unavailable"  # asyncpg's own: the connection is lost or out of step
    return EXPECTED.get(state, EXPECTED.get(state[:2], "bug"))


def test_each_exception_of_asyncpg_has_its_class() -> None:
    found = classes()
    assert len(found) > 250
    wrong = {
        kind.__name__: (classify(kind("text")), expected(kind))
        for kind in found
        if classify(kind("text")) != expected(kind)
    }
    assert not wrong


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionResetError()])
def test_a_lost_connection_is_unavailable(error: Exception) -> None:
    assert classify(error) == "unavailable"


def test_what_is_caught_as_unavailable_is_classed_so() -> None:
    """The tuple and the function agree, but for a pooler's bare error, which no tuple can name."""
    for kind in classes():
        caught = issubclass(kind, UNAVAILABLE)
        if kind is not asyncpg.PostgresError:
            assert caught == (classify(kind("text")) in ("unavailable", "conflict")), kind


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "does not resolve"),
        (ConnectionRefusedError(111, "refused"), "refuses connections"),
        (TimeoutError(), "in time"),
        (FileNotFoundError(2, "No such file"), "A file that"),
        (asyncpg.CannotConnectNowError("starting"), "CannotConnectNowError"),
    ],
)
def test_an_unreachable_server_is_told_with_what_to_check(error: Exception, words: str) -> None:
    told = describe_away(error)
    assert words in told
    assert "DATABASE_URL" in told


async def test_a_parameter_that_postgresql_does_not_know_is_told(dsn: str) -> None:
    mark = "&" if "?" in dsn else "?"
    with pytest.raises(asyncpg.UndefinedObjectError) as caught:
        await asyncpg.connect(f"{dsn}{mark}speed=fast")
    assert "a parameter after the ?" in describe_away(caught.value)
    assert "a parameter after the ?" in (describe(caught.value) or "")
    with pytest.raises(StartError, match=r"a parameter after the \?"):
        await prepare_database(Database(f"{dsn}{mark}speed=fast", "", embedded=False), "real")
    ours = asyncpg.UndefinedObjectError("role x does not exist")
    assert describe(ours) is None
