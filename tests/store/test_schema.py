"""The schema migrates up from empty, down and up again, and is rejected where it differs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from service.store.pool import UNAVAILABLE, Connection, Pool, connect
from service.store.postgres.binaries import find_binaries
from service.store.queue import queries_on
from service.store.schema import (
    LOCK,
    SchemaError,
    alembic_config,
    check_known,
    check_schema,
    downgrade,
    is_empty,
    migrate,
    revisions,
)
from tests.support.database import execute

Maker = Callable[..., Any]

# All objects of our schema, described independently of the order of their creation: the index of a
# partition is named by PostgreSQL, which counts on, where it was not built by itself.
DESCRIBE = r"""
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
    || ' ' || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'callgate'
UNION ALL SELECT regexp_replace(indexdef, 'INDEX calls_(\d{4}_\d{2}|before|rest)_\w+ ', 'INDEX ')
    FROM pg_indexes WHERE schemaname = 'callgate'
UNION ALL SELECT 'invalid ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'callgate'::regnamespace
UNION ALL SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'callgate'::regnamespace AND NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'callgate'::regnamespace
UNION ALL SELECT 'label ' || typname || ' ' || enumlabel FROM pg_enum
    JOIN pg_type ON pg_type.oid = enumtypid WHERE typnamespace = 'callgate'::regnamespace
ORDER BY 1
"""


async def describe(dsn: str) -> list[str]:
    connection = await connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(DESCRIBE)]
    finally:
        await connection.close()


async def check(dsn: str) -> None:
    connection = await connect(dsn)
    try:
        await check_schema(connection)
    finally:
        await connection.close()


async def plan_of_pgqueuer(connection: Connection) -> tuple[str, ...]:
    """The changes that pgqueuer would make to the tables of our migrations."""
    plan = await queries_on(connection).plan_upgrade()
    return (*plan.statements, *plan.notes)


async def test_a_migrated_database_fits(pool: Pool) -> None:
    await check_schema(pool)


async def test_the_queues_tables_are_those_that_pgqueuer_declares(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await plan_of_pgqueuer(connection) == ()
        # The comparison works: a missing object is reported.
        await connection.execute("DROP INDEX callgate.pgqueuer_log_created")
        assert await plan_of_pgqueuer(connection) != ()


def test_the_revisions_are_read_in_the_order_that_alembic_gives_them() -> None:
    walked = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    assert revisions() == tuple(revision.revision for revision in walked)


async def test_an_empty_database_is_refused_until_it_is_migrated(empty_dsn: str) -> None:
    assert await is_empty(empty_dsn)
    with pytest.raises(SchemaError, match=r"is empty .* run `callgate migrate`"):
        await check(empty_dsn)
    await migrate(empty_dsn)
    await check(empty_dsn)
    assert not await is_empty(empty_dsn)


async def test_migrating_again_changes_nothing(dsn: str) -> None:
    before = await describe(dsn)
    await migrate(dsn)
    assert await describe(dsn) == before


async def test_replicas_may_migrate_at_once(empty_dsn: str) -> None:
    await asyncio.gather(*(migrate(empty_dsn) for _ in range(4)))
    await check(empty_dsn)


async def test_a_replica_waits_while_another_one_migrates(empty_dsn: str) -> None:
    other = await connect(empty_dsn)
    await other.execute("SELECT pg_advisory_lock($1)", LOCK)
    waiting = asyncio.create_task(migrate(empty_dsn))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    assert await is_empty(empty_dsn)
    # Killed in the middle, say: its session ends and the lock with it.
    other.terminate()
    await waiting
    await check(empty_dsn)


async def test_nobody_holds_the_lock_afterwards(dsn: str, pool: Pool) -> None:
    await migrate(dsn)
    held = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    where = "WHERE locktype = 'advisory' AND datname = current_database()"
    assert await pool.fetchval(f"{held} {where}") == 0


async def test_every_revision_goes_down_and_comes_up_to_the_same(empty_dsn: str) -> None:
    steps = ["base", *reversed(revisions())]
    await migrate(empty_dsn)
    described = {steps[-1]: await describe(empty_dsn)}
    for step in reversed(steps[:-1]):
        await downgrade(empty_dsn, step)
        described[step] = await describe(empty_dsn)
    # Nothing is left but Alembic's own table.
    assert all("alembic_version" in line for line in described["base"])
    for step in steps[1:]:
        await migrate(empty_dsn, step)
        assert await describe(empty_dsn) == described[step]


async def test_a_database_that_is_behind_is_refused_with_the_command_that_mends_it(
    dsn: str,
) -> None:
    newest, before = revisions()[:2]
    await downgrade(dsn, before)
    with pytest.raises(SchemaError, match=rf"at revision {before} .*{newest}.*`callgate migrate`"):
        await check(dsn)
    await migrate(dsn)
    await check(dsn)


async def test_a_database_that_is_ahead_is_refused_and_left_alone(dsn: str) -> None:
    await execute(dsn, "UPDATE callgate.alembic_version SET version_num = '9999'")
    before = await describe(dsn)
    for attempt in (check, migrate):
        with pytest.raises(SchemaError, match=rf"9999, which is newer .*{revisions()[0]}"):
            await attempt(dsn)
    assert await describe(dsn) == before


def test_a_postgresql_that_is_too_old_is_refused() -> None:
    with pytest.raises(SchemaError, match="PostgreSQL 13"):
        check_known(13, None)


async def test_what_the_database_refuses_is_said_and_undone(empty_dsn: str) -> None:
    await execute(empty_dsn, "CREATE SCHEMA callgate CREATE TABLE calls (id int)")
    with pytest.raises(SchemaError, match=r"refused a migration.*already exists"):
        await migrate(empty_dsn)
    with pytest.raises(SchemaError, match="empty"):
        await check(empty_dsn)


async def test_a_role_without_rights_on_the_database_will_do_where_the_schema_is_made(
    empty_dsn: str,
) -> None:
    role = f"limited_{empty_dsn.partition('t_')[2][:8]}"
    as_role = f"{empty_dsn}&role={role}"
    await execute(empty_dsn, f"CREATE ROLE {role}")
    with pytest.raises(
        SchemaError, match=r"permission denied for database.*CALLGATE_MIGRATION_DATABASE_URL"
    ):
        await migrate(as_role)
    await execute(empty_dsn, f"CREATE SCHEMA callgate AUTHORIZATION {role}")
    await migrate(as_role)
    await check(as_role)


async def test_a_server_that_is_away_is_said_to_be_away(tmp_path: Path) -> None:
    with pytest.raises(UNAVAILABLE):
        await migrate(f"postgresql://callgate@/callgate?host={tmp_path}")


async def test_a_server_that_goes_away_meanwhile_is_said_to_be_away(empty_dsn: str) -> None:
    other = await connect(empty_dsn)
    await other.execute("SELECT pg_advisory_lock($1)", LOCK)
    waiting = asyncio.create_task(migrate(empty_dsn))
    await asyncio.wait({waiting}, timeout=0.5)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    with pytest.raises(UNAVAILABLE):
        await waiting


def other_versions() -> list[Path]:
    """Other PostgreSQL versions on this machine: the package's older one, Debian's."""
    found = [find_binaries().parents[1] / "pginstall" / "bin"]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return [binaries for binaries in found if (binaries / "initdb").exists()]


@pytest.mark.skipif(not other_versions(), reason="there is no other PostgreSQL on this machine")
@pytest.mark.parametrize("binaries", other_versions(), ids=lambda path: path.parts[-2])
def test_the_schema_works_on_other_versions(server: Maker, tmp_path: Path, binaries: Path) -> None:
    async def go_through(dsn: str) -> None:
        await asyncio.gather(migrate(dsn), migrate(dsn))
        await check(dsn)
        before = await describe(dsn)
        await downgrade(dsn, "base")
        await migrate(dsn)
        assert await describe(dsn) == before
        connection = await connect(dsn)
        try:
            assert await plan_of_pgqueuer(connection) == ()
        finally:
            await connection.close()

    asyncio.run(go_through(server(tmp_path / "data", binaries=binaries).start()))
