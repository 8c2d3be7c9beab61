"""The table of calls by month: one row a call over the end of a month, and months that are dropped."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from service.domain.calls import NewCall
from service.store.calls.records import record_calls
from service.store.limits import Limits
from service.store.pool import Connection, Pool, connect, create_pool
from service.store.retention import months
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from service.store.roles import app_dsn
from tests.support.calls import new_call

DAYS = timedelta(days=100)

# As an installation has them that has run since the spring: this month's and the earlier ones.
EARLIER = """
DO $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '8 months';
BEGIN
    ALTER TABLE callgate.calls DETACH PARTITION callgate.calls_before;
    DROP TABLE callgate.calls_before;
    FOR step IN 0..8 LOOP
        EXECUTE format('CREATE TABLE callgate.calls_old_%s PARTITION OF callgate.calls '
            'FOR VALUES FROM (%L) TO (%L)', step, month, (month + interval '1 month')::date);
        month := month + interval '1 month';
    END LOOP;
END $$
"""
ADD_CALLS = """
WITH added AS (
    INSERT INTO callgate.calls (vapi_call_id, status, blocked, reason, gate, decision, month,
        created_at, updated_at, ended_at)
    SELECT $1 || n, 'ended', false, 'plan_active', 'event', '{}', date_trunc('month', at),
        at, at, CASE WHEN $3 THEN at END
    FROM generate_series(1, 5) n, LATERAL (SELECT now() - make_interval(days => $2) AS at) given
    RETURNING vapi_call_id, created_at),
steps AS (
    INSERT INTO callgate.call_events (vapi_call_id, at, kind)
    SELECT vapi_call_id, created_at, 'message' FROM added)
INSERT INTO callgate.call_claims (vapi_call_id, organization_id, gate, blocked, decision, created_at)
SELECT vapi_call_id, gen_random_uuid(), 'event', false, '{}', created_at FROM added
"""
# What the version before the months runs, while replicas are upgraded one after the other.
FORMER_INSERT = """
INSERT INTO callgate.calls AS c (vapi_call_id, organization_id, status, blocked, reason, gate, decision)
VALUES ($1, $2, 'in-progress', false, 'plan_active', 'event', '{}')
ON CONFLICT ON CONSTRAINT calls_vapi_call_id_key DO UPDATE SET
    organization_id = excluded.organization_id
WHERE c.organization_id IS NULL RETURNING vapi_call_id, organization_id, c.xmax = 0 AS inserted
"""


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Connection]:
    """A connection as the service's role, which cannot change tables."""
    connection = await connect(app_dsn(dsn))
    yield connection
    await connection.close()


async def names(pool: Pool, table: str = "calls") -> set[str]:
    rows = await pool.fetch(f"SELECT vapi_call_id FROM callgate.{table}")
    return {row["vapi_call_id"].rstrip("0123456789") for row in rows}


async def partitions(pool: Pool) -> list[str]:
    return [row["name"] for row in await pool.fetch("SELECT name FROM callgate.call_months()")]


async def months_of(pool: Pool, call_id: str) -> list[date]:
    rows = await pool.fetch("SELECT month FROM callgate.calls WHERE vapi_call_id = $1", call_id)
    return [row["month"] for row in rows]


async def test_whole_months_go_with_what_belongs_to_their_calls(pool: Pool) -> None:
    await pool.execute(EARLIER)
    await pool.execute(ADD_CALLS, "old-", 200, True)
    await pool.execute(ADD_CALLS, "lively-", 165, False)
    await pool.execute(ADD_CALLS, "new-", 20, True)
    await pool.execute("UPDATE callgate.calls SET updated_at = now() WHERE ended_at IS NULL")
    before = await partitions(pool)
    deleted: dict[str, int] = {}

    async def note(kind: str, count: int) -> None:
        deleted[kind] = deleted.get(kind, 0) + count

    retention = Retention(pool, kept_rows(DAYS, timedelta(), timedelta()), on_deleted=note)
    await pool.execute("UPDATE callgate.retention SET next_at = now()")
    assert await retention.delete_if_due()
    gone = set(before) - set(await partitions(pool))
    assert len(gone) >= 3
    for table in ("calls", "call_events", "call_claims"):
        assert await names(pool, table) == {"lively-", "new-"}
    assert deleted == {"calls": 5, "call_claims": 5, "call_steps": 5}


async def test_a_month_waits_for_a_long_reader(pool: Pool, dsn: str) -> None:
    await pool.execute(EARLIER)
    await pool.execute(ADD_CALLS, "old-", 200, True)
    before = await partitions(pool)
    reader = await connect(dsn)
    async with reader.transaction():
        await reader.fetch("SELECT FROM callgate.calls")
        assert await months.drop_months(pool, DAYS) == 0
        assert await partitions(pool) == before
    assert await months.drop_months(pool, DAYS) == 5
    await reader.close()


async def test_statements_on_calls_wait_for_no_more_than_one_month(pool: Pool, dsn: str) -> None:
    """They queue behind the lock of a month that goes; the next month would wait for the same."""
    await pool.execute(EARLIER)
    reader, other = await connect(dsn), await connect(dsn)
    waited = [0.0]

    async def read() -> None:
        while True:
            began = time.monotonic()
            await other.fetch("SELECT FROM callgate.calls WHERE vapi_call_id = 'a'")
            waited.append(time.monotonic() - began)

    async with reader.transaction():
        await reader.fetch("SELECT FROM callgate.calls")
        reading, before = asyncio.create_task(read()), await partitions(pool)
        with capture_logs() as logs:
            assert await months.drop_months(pool, DAYS) == 0
        assert await partitions(pool) == before
        reading.cancel()
    assert [one["event"] for one in logs] == ["calls.months_wait"]
    assert max(waited) < 0.9
    reader.terminate()
    other.terminate()


async def test_a_large_month_has_time_to_be_counted(pool: Pool, dsn: str) -> None:
    await pool.execute(EARLIER)
    await pool.execute(
        "CREATE OR REPLACE FUNCTION callgate.drop_call_month(partition text) RETURNS bigint "
        "LANGUAGE sql AS $$ SELECT 5 FROM pg_sleep(0.4) $$"
    )
    hasty = await create_pool(dsn, 1, limits=Limits(0.2, 1.0, 5.0))
    old = len(await pool.fetch(months.FIND_OLD, DAYS.total_seconds()))
    assert await months.drop_months(hasty, DAYS) == 5 * old > 0
    await hasty.close()


async def test_the_services_role_drops_old_months_only(app: Connection, pool: Pool) -> None:
    await pool.execute(EARLIER)
    await pool.execute(ADD_CALLS, "old-", 200, True)
    for name in ("calls_old_7", "calls_old_8", "calls_rest", "audit", "no_such"):
        assert await app.fetchval("SELECT callgate.drop_call_month($1)", name) is None
    assert await app.fetchval("SELECT callgate.drop_call_month('calls_old_1')") is not None
    assert await app.fetchval("SELECT callgate.add_call_months(5)") == 2
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("DROP TABLE callgate.calls_old_2")


async def test_a_call_of_a_month_without_a_partition_is_recorded_all_the_same(pool: Pool) -> None:
    """The months ahead are missing, as in a database that was restored after half a year."""
    ahead = [name for name in await partitions(pool) if name != "calls_before"]
    for name in ahead:
        await pool.execute(f"DROP TABLE callgate.{name}")
    call = new_call("call-1")
    await pool.execute(
        "INSERT INTO callgate.call_keys SELECT $1, max(ends_on) FROM callgate.call_months()",
        call.vapi_call_id,
    )
    async with pool.acquire() as connection:
        assert await record(connection, call)
        assert await pool.fetchval("SELECT count(*) FROM callgate.calls_rest") == 1
        # The month that has calls there stays there; the others get partitions.
        await months.add_months(pool)
        assert await partitions(pool) == ["calls_before", *ahead[1:]]
        assert not await record(connection, call)
    await pool.execute("DELETE FROM callgate.calls")
    await months.add_months(pool)
    assert await partitions(pool) == ["calls_before", *ahead[1:]]


async def test_a_call_has_one_row_over_the_end_of_a_month(pool: Pool, dsn: str) -> None:
    call = new_call("call-1")
    ahead = await pool.fetchval("SELECT max(ends_on) - 1 FROM callgate.call_months()")
    first, second = await connect(dsn), await connect(dsn)
    transaction = first.transaction()
    await transaction.start()
    # As a replica that recorded it in another month by its clock, and has not committed yet.
    await first.execute("INSERT INTO callgate.call_keys VALUES ($1, $2)", call.vapi_call_id, ahead)
    assert await record(first, call)
    rival = asyncio.create_task(record_calls(second, [call]))
    assert not (await asyncio.wait({rival}, timeout=0.3))[0]
    await transaction.commit()
    won, stored = await rival
    assert (won, set(stored)) == (set(), {call.key})
    assert await months_of(pool, call.vapi_call_id) == [ahead]
    # Nor does it get another row when its key is gone.
    await pool.execute("DELETE FROM callgate.call_keys")
    assert not await record(second, call)
    assert await months_of(pool, call.vapi_call_id) == [ahead]
    await first.close()
    await second.close()


async def record(connection: Connection, call: NewCall) -> bool:
    return call.key in (await record_calls(connection, [call]))[0]


async def test_the_former_version_goes_on_recording(pool: Pool) -> None:
    known = uuid4()
    first = await pool.fetch(FORMER_INSERT, "call-1", None)
    assert [row["inserted"] for row in first] == [True]
    assert [row["inserted"] for row in await pool.fetch(FORMER_INSERT, "call-1", known)] == [False]
    assert await pool.fetch(FORMER_INSERT, "call-1", uuid4()) == []
    later = "INSERT INTO callgate.calls AS c (month, " + FORMER_INSERT.split("(", 1)[1].replace(
        "VALUES (", "VALUES ((SELECT max(ends_on) - 1 FROM callgate.call_months()), "
    )
    assert [row["inserted"] for row in await pool.fetch(later, "call-2", known)] == [True]


async def test_keys_of_calls_are_kept_for_two_days(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO callgate.call_keys SELECT n::text, now(), now() - make_interval(hours => n) "
        "FROM unnest(ARRAY[47, 49]) n"
    )
    await pool.execute("UPDATE callgate.retention SET next_at = now()")
    assert await Retention(pool, kept_rows(DAYS, DAYS, DAYS)).delete_if_due()
    rows = await pool.fetch("SELECT vapi_call_id FROM callgate.call_keys")
    assert [row["vapi_call_id"] for row in rows] == ["47"]
