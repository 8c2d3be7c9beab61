"""What asyncpg can raise, classed once: what to retry, what to reject, and what is a bug.

The tables are by family of SQLSTATEs, so that a class that a later asyncpg adds has a class of ours too.
"""

import socket
import ssl
from typing import Literal

import asyncpg

FailureClass = Literal["unavailable", "conflict", "refused", "bug"]
"""`unavailable`: PostgreSQL is down, stopping, full, locked or too slow, or a pooler in front of it
failed; the same work may succeed later. `conflict`: a concurrent transaction interfered; the same work
may be retried now. `refused`: PostgreSQL never takes this value. `bug`: everything else."""

CONFLICTS = (asyncpg.TransactionRollbackError, asyncpg.SnapshotTooOldError)
"""A concurrent transaction interfered; the same change may be retried."""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    # Of the connection: lost, never made, out of step, or not what the address promises.
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    # Of the server: stopping, full, broken, read-only, or at the end of its patience.
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.ConfigFileError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    # Of a pooler: statements and transactions that ended up in another session, and states of its own.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.NoActiveSQLTransactionError,
    asyncpg.FatalPostgresError,
    *CONFLICTS,
)
"""What is raised when PostgreSQL cannot do the work now; conflicts are among them."""

UNUSABLE = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.exceptions.ClientConfigurationError,
    ssl.SSLCertVerificationError,
)
"""What a wrong address, password or certificate raises: at a start, waiting does not help."""

REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.WithCheckOptionViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.CardinalityViolationError,
)
"""PostgreSQL never takes this value, however often it is sent."""


class DatabaseUnavailableError(ConnectionError):
    """PostgreSQL cannot do the work now, for a cause whose type alone does not say so."""


def classify(error: BaseException) -> FailureClass:
    """The class of an error.

    A bare `PostgresError` comes from a pooler: PostgreSQL's own errors all have a subclass.
    """
    if isinstance(error, CONFLICTS):
        return "conflict"
    if isinstance(error, UNAVAILABLE) or type(error) is asyncpg.PostgresError:
        return "unavailable"
    return "refused" if isinstance(error, REFUSED) else "bug"


def is_unknown_parameter(error: BaseException) -> bool:
    """Whether PostgreSQL refused a connection for a parameter of its address. What a statement names and
    does not exist is another error, and ours."""
    unknown = isinstance(error, asyncpg.UndefinedObjectError)
    return unknown and getattr(error, "severity_en", None) == "FATAL"


def describe_away(error: BaseException) -> str:
    """Why PostgreSQL cannot be reached and what to check, without a part of its address."""
    if isinstance(error, socket.gaierror):
        return "The host name in DATABASE_URL does not resolve. Check its spelling and the DNS."
    if isinstance(error, ConnectionRefusedError):
        return (
            "The host in DATABASE_URL refuses connections. Check the port and that PostgreSQL runs."
        )
    if isinstance(error, TimeoutError):
        return (
            "PostgreSQL does not answer in time. Check the host and port in DATABASE_URL, and "
            "firewalls between."
        )
    if isinstance(error, FileNotFoundError):
        return (
            "A file that DATABASE_URL names does not exist: a certificate, a key or a socket. Check the "
            "path, and that it is mounted."
        )
    if is_unknown_parameter(error):
        return (
            "DATABASE_URL has a parameter after the ? that PostgreSQL does not know. Remove it, or "
            "check its spelling."
        )
    return f"PostgreSQL does not answer ({type(error).__name__}). Check DATABASE_URL."
