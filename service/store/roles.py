"""Two roles: the owner migrates, and the service works as a role that can change rows only.

The service's role is neither a superuser nor the owner of a table, so it can neither alter the schema
nor switch the audit's trigger off.
"""

import asyncpg

from service.store.pool import Connection, Pool, connect
from service.store.schema import FIND_SCHEMA, LOCK, SchemaError

OWNER_ROLE = "callgate"
APP_ROLE = "callgate_app"
"""The roles of the embedded PostgreSQL."""

FIND_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
CREATE_APP_ROLE = "CREATE ROLE callgate_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"
CURRENT_ROLE = "SELECT current_user::text"
TAKE_LOCK = "SELECT pg_advisory_xact_lock($1)"

# The statements of deploy/README.md, written by PostgreSQL so that it quotes the role's name.
GRANTS = """
SELECT format(statement, $1::text) FROM unnest(ARRAY[
    'GRANT USAGE ON SCHEMA callgate TO %I',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA callgate TO %I',
    'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA callgate TO %I',
    'REVOKE UPDATE, DELETE ON callgate.audit FROM %I',
    'REVOKE INSERT, UPDATE, DELETE ON callgate.alembic_version FROM %I'
]) WITH ORDINALITY AS given (statement, place) ORDER BY place
"""

# A member of the owner may do what the owner may. A superuser is a member of every role.
IS_TOO_POWERFUL = """
SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class
WHERE oid = 'callgate.audit'::regclass
"""


def app_dsn(owner_dsn: str) -> str:
    """The service's DSN on the embedded PostgreSQL, from the owner's."""
    return owner_dsn.replace(f"//{OWNER_ROLE}@", f"//{APP_ROLE}@", 1)


async def create_app_role(owner_dsn: str) -> None:
    """Create the service's role on the embedded PostgreSQL."""
    connection = await connect(owner_dsn)
    try:
        async with connection.transaction():
            await connection.execute(TAKE_LOCK, LOCK)
            if not await connection.fetchval(FIND_ROLE, APP_ROLE):
                await connection.execute(CREATE_APP_ROLE)
            if await connection.fetchval(FIND_SCHEMA):
                await grant_to(connection, APP_ROLE)
    finally:
        await connection.close()


async def grant(owner_dsn: str, dsn: str) -> None:
    """Grant the role of `dsn` what the service needs, as the owner. Nothing if they are the same.

    Raises `SchemaError` if PostgreSQL refuses.
    """
    role = await get_role(dsn)
    connection = await connect(owner_dsn)
    try:
        async with connection.transaction():
            await connection.execute(TAKE_LOCK, LOCK)
            if role != await connection.fetchval(CURRENT_ROLE):
                await grant_to(connection, role)
    except asyncpg.InsufficientPrivilegeError as exc:
        raise SchemaError(
            f"CALLGATE_MIGRATION_DATABASE_URL names a role that may not grant privileges: {exc}. It "
            "must own the schema callgate."
        ) from exc
    finally:
        await connection.close()


async def get_role(dsn: str) -> str:
    """The role that a DSN connects as."""
    connection = await connect(dsn)
    try:
        return str(await connection.fetchval(CURRENT_ROLE))
    finally:
        await connection.close()


async def grant_to(connection: Connection, role: str) -> None:
    """Grant a role what the service needs on the tables that exist now."""
    for row in await connection.fetch(GRANTS, role):
        await connection.execute(row[0])


async def is_too_powerful(database: Pool | Connection) -> bool:
    """Whether the connected role is a superuser, or owns the tables."""
    return bool(await database.fetchval(IS_TOO_POWERFUL))
