"""Indexes of calls are built while the previous version goes on recording them."""

import asyncio

import pytest

from service.store.pool import Pool
from service.store.schema import downgrade, migrate
from tests.support.database import execute
from tests.support.service import eventually

RECORD = """
INSERT INTO callgate.calls (vapi_call_id, status, blocked, reason, gate, decision)
VALUES ($1, 'in-progress', false, 'plan_active', 'event', '{}')
"""
BUILDING = """
SELECT count(*) FROM pg_stat_activity
WHERE query ~ '^\\s*CREATE INDEX' AND datname = current_database()
"""
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@pytest.mark.parametrize(
    ("before", "index"),
    [
        ("0014", "0014b"),
        ("0022", "0022b"),
        ("0025", "0025b"),
        ("0028", "0028b"),
        ("0035", "0035b"),
    ],
)
async def test_calls_are_recorded_while_an_index_waits_for_an_open_transaction(
    dsn: str, pool: Pool, before: str, index: str
) -> None:
    await downgrade(dsn, before)
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute(RECORD, "one")
        migration = asyncio.create_task(migrate(dsn, index))
        other = asyncio.create_task(migrate(dsn, index))
        await eventually(lambda: pool.fetchval(BUILDING))
        async with pool.acquire() as second:
            await second.execute("SET lock_timeout = '2s'")
            await second.execute(RECORD, "two")
    # A replica that waits for the lock of migrations is not waited for.
    await asyncio.gather(migration, other)
    assert await pool.fetchval(INVALID) == 0
    await migrate(dsn)


async def test_a_build_that_was_interrupted_is_repeated(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0022b")
    await execute(
        dsn,
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'callgate.calls_corrected_idx'::regclass",
    )
    await execute(dsn, "UPDATE callgate.alembic_version SET version_num = '0022'")
    await migrate(dsn)
    assert await pool.fetchval(INVALID) == 0
