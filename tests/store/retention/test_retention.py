"""Retention: old rows go, in bites and by one replica at a time; what is needed stays."""

import asyncio
from datetime import timedelta

import pytest

from service.store.leases import LeaseLostError
from service.store.limits import Limits
from service.store.pool import UNAVAILABLE, Pool, create_pool
from service.store.retention import kept_rows as kept_sql
from service.store.retention.kept_rows import KeptRows, kept_rows
from service.store.retention.retention import Retention

DAYS = timedelta(days=100)

ADD_CALLS = """
WITH added AS (
    INSERT INTO callgate.calls (
        vapi_call_id, status, blocked, reason, gate, decision, created_at, updated_at, ended_at)
    SELECT $1 || n, 'ended', false, 'plan_active', 'event', '{}', now() - $3::interval,
        now() - $4::interval, CASE WHEN $5 THEN now() - $3::interval END
    FROM generate_series(1, $2::int) n RETURNING vapi_call_id),
steps AS (
    INSERT INTO callgate.call_events (vapi_call_id, at, kind)
    SELECT vapi_call_id, now(), 'message' FROM added)
INSERT INTO callgate.call_claims (vapi_call_id, organization_id, gate, blocked, decision, created_at)
SELECT vapi_call_id, gen_random_uuid(), 'event', false, '{}', now() - $3::interval FROM added
"""

ADD_HISTORY = """
INSERT INTO callgate.entitlement_history (organization_id, kind, value, at)
SELECT '5f0c7c1e-6a8e-4c57-9a53-0d8f6e0b1a2c', kind, to_jsonb(days),
    now() - make_interval(days => days)
FROM unnest(ARRAY['plans', 'trials']) kind, unnest($1::int[]) days
"""

MAKE_DUE = "UPDATE callgate.retention SET next_at = now()"


async def add_calls(
    pool: Pool, name: str, count: int, *, days: int, touched: int | None = None, ended: bool = True
) -> None:
    """Calls of so many days ago, each with a step and a claim; `touched`: updated that long ago."""
    update = timedelta(days=days if touched is None else touched)
    await pool.execute(ADD_CALLS, name, count, timedelta(days=days), update, ended)


async def names(pool: Pool, table: str = "calls") -> set[str]:
    """The calls that a table still has, without the numbers of their names."""
    rows = await pool.fetch(f"SELECT vapi_call_id FROM callgate.{table}")
    return {row["vapi_call_id"].rstrip("0123456789") for row in rows}


@pytest.fixture
def retention(pool: Pool) -> Retention:
    return Retention(pool, kept_rows(DAYS, DAYS, DAYS), bite=20)


async def test_old_rows_go_and_new_ones_stay(pool: Pool, retention: Retention) -> None:
    await add_calls(pool, "old-", 50, days=140)
    await add_calls(pool, "new-", 5, days=99)
    await add_calls(pool, "unended-", 1, days=140, ended=False)
    await add_calls(pool, "lively-", 1, days=140, touched=1, ended=False)
    await add_calls(pool, "hunted-", 1, days=140)
    await pool.execute(
        "INSERT INTO callgate.pgqueuer (priority, status, entrypoint, dedupe_key) "
        "VALUES (0, 'queued', 'hangup', 'hangup:hunted-1')"
    )
    await pool.execute("DELETE FROM callgate.calls WHERE vapi_call_id = 'old-7'")
    await pool.execute(
        "INSERT INTO callgate.call_events (vapi_call_id, at, kind) "
        "VALUES ('old-step', now() - interval '140 days', 'message')"
    )
    assert not await retention.delete_if_due()
    await pool.execute(MAKE_DUE)
    assert await retention.delete_if_due()
    kept = {"new-", "lively-", "hunted-"}
    assert await names(pool) == kept
    assert await names(pool, "call_claims") == kept
    # The step of a call whose row was gone before is younger than its age.
    assert await names(pool, "call_events") == {*kept, "old-"}
    assert not await retention.delete_if_due()


async def test_old_jobs_and_changes_go(pool: Pool, retention: Retention) -> None:
    await pool.execute(
        "INSERT INTO callgate.pgqueuer_log (created, job_id, status, priority, entrypoint) "
        "SELECT now() - make_interval(hours => hours), 1, 'successful', 0, 'hangup' "
        "FROM unnest(ARRAY[30, 20]) hours"
    )
    await pool.execute(
        "INSERT INTO callgate.webhook_changes "
        "(phone_number_id, at, level, vapi_id, cause, actor, source, fields) "
        "SELECT gen_random_uuid(), now() - make_interval(days => days), 'phone_number', days::text, "
        "'drift', 'reconciler', 'system', '[]' FROM generate_series(141, 60, -1) days"
    )
    await pool.execute(MAKE_DUE)
    assert await retention.delete_if_due()
    assert await pool.fetchval("SELECT count(*) FROM callgate.pgqueuer_log") == 1
    left = await pool.fetch("SELECT vapi_id FROM callgate.webhook_changes ORDER BY id")
    assert [row["vapi_id"] for row in left] == [str(days) for days in range(99, 59, -1)]


async def test_the_state_at_the_beginning_of_the_history_stays(
    pool: Pool, retention: Retention
) -> None:
    await pool.execute(ADD_HISTORY, [300, 200, 150, 50, 1])
    await pool.execute(MAKE_DUE)
    await retention.delete_if_due()
    rows = await pool.fetch("SELECT value FROM callgate.entitlement_history ORDER BY kind, at")
    assert [row["value"] for row in rows] == [150, 50, 1] * 2


async def test_a_kind_that_takes_too_long_keeps_no_other_waiting(pool: Pool, dsn: str) -> None:
    await pool.execute(
        "INSERT INTO callgate.call_keys VALUES ('a', now(), now() - interval '3 days')"
    )
    slow = "DELETE FROM callgate.calls WHERE (SELECT pg_sleep($1::float8 + $2::int)) IS NULL"
    hasty = await create_pool(dsn, 2, limits=Limits(0.3, 1.0, 5.0))
    kept = [KeptRows("slow", slow, DAYS), *kept_rows(DAYS, DAYS, DAYS)]
    await pool.execute(MAKE_DUE)
    with pytest.raises(UNAVAILABLE):
        await Retention(hasty, kept).delete_if_due()
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_keys") == 0
    # It is due again at once.
    assert await Retention(pool, kept[1:]).delete_if_due()
    await hasty.close()


async def test_steps_of_dropped_months_are_found_without_reading_all(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO callgate.call_events (vapi_call_id, at, kind) "
        "SELECT n::text, now(), 'message' FROM generate_series(1, 20000) n"
    )
    await pool.execute("ANALYZE callgate.call_events")
    explain = "EXPLAIN " + kept_sql.DELETE_STEPS_OF_CALLS
    plan = [row[0] for row in await pool.fetch(explain, DAYS.total_seconds(), 50)]
    assert not [line for line in plan if "Seq Scan on call_events" in line], plan


async def test_two_replicas_take_turns_and_one_that_is_killed_is_followed(
    pool: Pool, retention: Retention
) -> None:
    await add_calls(pool, "old-", 200, days=140)
    await pool.execute(MAKE_DUE)
    working = asyncio.create_task(retention.delete_if_due())
    async with asyncio.timeout(10):
        while len(await pool.fetch("SELECT FROM callgate.calls")) == 200:
            await asyncio.sleep(0.005)
    other = Retention(pool, retention.kept, bite=50)
    assert not await other.delete_if_due()
    # As after a SIGKILL: the claim stays until its lease is over.
    await pool.execute("UPDATE callgate.retention SET claim = claim + 1, claimed_until = now()")
    assert await other.delete_if_due()
    assert await names(pool) == set()
    working.cancel()
    with pytest.raises((asyncio.CancelledError, LeaseLostError)):
        await working
    assert not await other.delete_if_due()


def test_zero_keeps_rows_permanently() -> None:
    never = timedelta()
    kinds = [rows.kind for rows in kept_rows(never, DAYS, never)]
    assert kinds == [
        "call_keys",
        "transcripts",
        "call_steps",
        "shadow_verdicts",
        "finished_jobs",
        "idempotency_keys",
        "relay_messages",
    ]
    assert KeptRows("calls", "", never) not in kept_rows(never, never, never)
