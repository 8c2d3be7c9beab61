"""The service's role changes rows and nothing else; the owner's role migrates and grants."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.serve.database import Database, StartError, prepare_database
from service.store.pool import Connection, connect
from service.store.roles import app_dsn, is_too_powerful
from service.store.schema import LACKS_PRIVILEGES, SchemaError, check_schema, migrate
from tests.support.database import execute
from tests.support.service import Replica


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Connection]:
    """A connection as the service's role."""
    connection = await connect(app_dsn(dsn))
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE callgate.calls",
        "ALTER TABLE callgate.audit DISABLE TRIGGER audit_append_only",
        "ALTER TABLE callgate.audit DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_append_only ON callgate.audit",
        "ALTER FUNCTION callgate.refuse_audit_change() RENAME TO other",
        "SET session_replication_role = replica",
        "DELETE FROM callgate.audit",
        "UPDATE callgate.audit SET actor = 'another'",
        "TRUNCATE callgate.audit",
        "TRUNCATE callgate.calls",
        "UPDATE callgate.alembic_version SET version_num = '0001'",
        "CREATE TABLE callgate.mine (id int)",
        "CREATE ROLE mine SUPERUSER",
        "SET ROLE callgate",
    ],
)
async def test_the_services_role_changes_rows_only(app: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


async def test_the_owner_is_too_powerful_and_the_services_role_is_not(
    app: Connection, dsn: str
) -> None:
    assert not await is_too_powerful(app)
    owner = await connect(dsn)
    assert await is_too_powerful(owner)
    await owner.close()


async def test_a_service_that_works_as_the_owner_is_told(callgate: Replica, dsn: str) -> None:
    conditions = callgate.service.use_cases.conditions
    assert "database_role_too_powerful" not in {one.kind for one in await conditions.read()}
    role = app_dsn(dsn).partition("//")[2].partition("@")[0]
    await execute(dsn, f"ALTER TABLE callgate.audit OWNER TO {role}")
    assert "database_role_too_powerful" in {one.kind for one in await conditions.read()}
    await execute(dsn, "ALTER TABLE callgate.audit OWNER TO callgate")


async def test_a_migration_as_the_owner_grants_the_services_role(empty_dsn: str) -> None:
    name = f"service_{empty_dsn.partition('t_')[2][:8]}"
    await execute(empty_dsn, f"CREATE ROLE {name}")
    as_service = f"{empty_dsn}&role={name}"
    await migrate(empty_dsn)
    service = await connect(as_service)
    with pytest.raises(SchemaError, match=LACKS_PRIVILEGES[:40]):
        await check_schema(service)
    with pytest.raises(StartError, match="CALLGATE_MIGRATION_DATABASE_URL"):
        await prepare_database(Database(as_service, "", embedded=False), "real")
    for _ in range(2):
        await prepare_database(Database(as_service, empty_dsn, embedded=False), "real")
    await check_schema(service)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("DELETE FROM callgate.audit")
    await service.close()
