"""Stored decisions are read by a plan that PostgreSQL keeps, however many months there are."""

import pytest

from service.store.calls.decisions import FIND_STORED
from service.store.calls.details import RECORD_CONNECTED
from service.store.calls.limits.slots import READ, RECORDED
from service.store.calls.listing.search import find_by_vapi_id
from service.store.calls.watch import KNOWN
from service.store.pool import Pool
from service.store.usage.changes import FIND_CALLS
from tests.support.calls import new_call, record

BEFORE_IT_IS_KEPT = 5
MANY = """
INSERT INTO callgate.calls (vapi_call_id, status, blocked, reason, gate, decision)
SELECT 'call-' || n, 'ended', false, 'plan_active', 'event', '{}'
FROM generate_series(1, $1::int) AS n
"""
KEPT = "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1"


@pytest.mark.parametrize(
    "statement", [FIND_STORED, RECORDED, READ, FIND_CALLS, KNOWN, RECORD_CONNECTED]
)
async def test_calls_that_are_asked_for_are_not_planned_for_anew(
    pool: Pool, statement: str
) -> None:
    await record(pool, new_call("a"))
    async with pool.acquire() as connection:
        await connection.execute(MANY, 5000)
        await connection.execute("ANALYZE callgate.calls")
        for _ in range(BEFORE_IT_IS_KEPT + 2):
            given = (["a"], [None], [None]) if statement == RECORD_CONNECTED else (["a"],)
            await connection.fetch(statement, *given)
        assert await connection.fetchval(KEPT, statement) > 0


async def test_calls_that_are_asked_for_are_found_in_any_number(pool: Pool) -> None:
    await record(pool, *(new_call(f"call-{n}") for n in range(30)))
    for asked in ([], ["call-1"], ["nothing"], [f"call-{n}" for n in range(30)]):
        rows = await pool.fetch(FIND_STORED, asked)
        expected = [one for one in asked if await find_by_vapi_id(pool, one)]
        assert sorted(row["vapi_call_id"] for row in rows) == sorted(expected)
