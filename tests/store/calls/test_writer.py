"""Group commit: one record that PostgreSQL rejects fails alone, and an outage fails the rest at once."""

import asyncio
from typing import Any

from service.store.calls.call_store import CallStore
from service.store.calls.writer import CallWriter, Recorded, RecordsUnavailableError
from service.store.pool import Pool
from tests.support.calls import new_call

SECONDS = 10.0
# A sequence counts what a rolled back transaction tried as well.
TRIES = "CREATE SEQUENCE callgate.tries"
FAIL = """
CREATE FUNCTION callgate.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('callgate.tries');
    IF NEW.vapi_call_id LIKE 'rejected%' THEN
        RAISE EXCEPTION 'out of order' USING ERRCODE = '22000';
    ELSIF NEW.vapi_call_id LIKE 'stuck%' THEN
        RAISE EXCEPTION 'stopping' USING ERRCODE = '57P01';
    END IF;
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER fail BEFORE INSERT ON callgate.calls FOR EACH ROW EXECUTE FUNCTION callgate.fail()
"""
COUNT = "SELECT last_value FROM callgate.tries"


async def record_all(pool: Pool, *call_ids: str) -> tuple[CallWriter, list[Any]]:
    """Record calls in one batch; their results, in order."""
    for statement in (TRIES, FAIL, TRIGGER):
        await pool.execute(statement)
    writer = CallWriter(CallStore(pool))
    calls = [writer.record(new_call(one), SECONDS) for one in call_ids]
    return writer, await asyncio.gather(*calls, return_exceptions=True)


async def test_a_rejected_record_fails_alone(pool: Pool) -> None:
    writer, found = await record_all(pool, "fine-1", "rejected", "fine-2")
    assert [type(one) for one in found] == [Recorded, RecordsUnavailableError, Recorded]
    assert writer.available


async def test_once_postgresql_is_away_the_rest_of_a_batch_is_not_tried(pool: Pool) -> None:
    writer, found = await record_all(pool, "fine", "stuck-1", "stuck-2", "rejected", "fine-2")
    assert [type(one) for one in found] == [Recorded, *[RecordsUnavailableError] * 4]
    assert not writer.available
    # The batch, in the order of the ids: two fine ones and the rejected one. Then one by one.
    assert await pool.fetchval(COUNT) == 3 + 2
