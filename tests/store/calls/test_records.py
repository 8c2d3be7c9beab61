"""A record and the job of its hang-up: one statement, all or none."""

from typing import Any

import asyncpg
import orjson
import pytest

from service.store.calls.hangups import HANDOVER_SECONDS
from service.store.calls.records import FEW, record_calls
from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups
from tests.support.calls import new_call

JOBS = """
SELECT priority, status::text, entrypoint, dedupe_key, payload, attempts, slot, queue_manager_id,
    coalesce(headers #>> '{}', 'null') AS headers,
    round(extract(epoch FROM execute_after - created)::numeric, 3)::float8 AS after
FROM callgate.pgqueuer ORDER BY dedupe_key
"""
LOG = """
SELECT l.status::text, l.entrypoint, l.priority, traceback, aggregated, q.dedupe_key
FROM callgate.pgqueuer_log l LEFT JOIN callgate.pgqueuer q ON q.id = job_id ORDER BY q.dedupe_key
"""


async def queued(pool: Pool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The jobs and what is logged of them."""
    jobs = [dict(row) for row in await pool.fetch(JOBS)]
    for job in jobs:
        job["payload"] = orjson.loads(job["payload"])
    return jobs, [dict(row) for row in await pool.fetch(LOG)]


async def test_the_job_is_the_one_that_pgqueuer_would_insert(pool: Pool) -> None:
    async with pool.acquire() as connection:
        calls = [
            new_call("a", allowed=False, hangup_after_seconds=0.0),
            new_call("b", allowed=False, hangup_after_seconds=8.0),
        ]
        await record_calls(connection, calls)
        found = await queued(pool)
        await connection.execute("TRUNCATE callgate.pgqueuer, callgate.pgqueuer_log")
        jobs = [HangupJob("a", HANDOVER_SECONDS), HangupJob("b", 8.0)]
        await enqueue_hangups(connection, jobs)
        assert found == await queued(pool)


@pytest.mark.parametrize("passing", [0, 1, FEW])
async def test_a_few_calls_take_one_round_trip_and_those_that_pass_get_no_job(
    pool: Pool, passing: int
) -> None:
    blocked = new_call("a", allowed=False, hangup_after_seconds=0.0)
    calls = [blocked, *(new_call(f"b-{index}") for index in range(passing))]
    said: list[str] = []
    async with pool.acquire() as connection:
        with connection.query_logger(lambda query: said.append(query.query)):
            won, stored = await record_calls(connection, calls)
    assert (len(won), stored) == (len(calls), {})
    assert (len(said) == 1) is (len(calls) <= FEW)
    jobs, logged = await queued(pool)
    assert [job["dedupe_key"] for job in jobs] == ["hangup:a"]
    assert len(logged) == 1


async def test_a_call_that_is_recorded_already_gets_no_second_job(pool: Pool) -> None:
    owner = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id", "Bakery"
    )
    async with pool.acquire() as connection:
        await record_calls(connection, [new_call("a", organization_id=owner)])
        late = new_call("a", allowed=False, organization_id=owner, hangup_after_seconds=0.0)
        won, _ = await record_calls(connection, [late])
    assert won == set()
    assert (await queued(pool))[0] == []


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_waiting_job_stays_the_only_one(pool: Pool, *, waiting: bool) -> None:
    async with pool.acquire() as connection:
        if waiting:
            await enqueue_hangups(connection, [HangupJob("a", 60.0)])
        call = new_call("a", allowed=False, hangup_after_seconds=0.0)
        await record_calls(connection, [call])
    jobs, _ = await queued(pool)
    assert [job["after"] for job in jobs] == [60.0 if waiting else HANDOVER_SECONDS]


async def test_a_batch_is_recorded_all_or_none(pool: Pool) -> None:
    blocked = new_call("a", allowed=False, hangup_after_seconds=0.0)
    rejected = new_call("b", gate="nowhere")
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await record_calls(connection, [blocked, rejected])
    assert await pool.fetchval("SELECT count(*) FROM callgate.calls") == 0
    assert await queued(pool) == ([], [])
