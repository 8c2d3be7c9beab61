"""What was recorded moments ago and is gone is recorded again, a few times at most."""

from pathlib import Path

import pytest

from service.access import recent_records
from service.access.recent_records import RecentRecords
from service.domain.calls import CallEnd
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Spool
from service.store.pool import Pool
from tests.support.calls import AT, new_call, record

ENDED = "SELECT ended_at IS NOT NULL FROM callgate.calls"


@pytest.fixture
def recent(pool: Pool, tmp_path: Path) -> RecentRecords:
    calls = CallStore(pool)
    return RecentRecords(calls, Spool(tmp_path, calls))


async def turn(recent: RecentRecords) -> int:
    """Look once, and drain what that spooled; how much it was."""
    await recent.look()
    spooled = recent.spool.waiting
    await recent.spool.drain()
    return spooled


async def test_what_is_lost_twice_is_recorded_twice(pool: Pool, recent: RecentRecords) -> None:
    call = new_call("a")
    await record(pool, call)
    recent.note_call(call)
    recent.note_end(CallEnd("a", AT, "customer-ended-call", call=call))
    for _ in range(2):
        await pool.execute("DELETE FROM callgate.calls")
        assert await turn(recent) == 2
        assert await pool.fetchval(ENDED) is True
    assert await turn(recent) == 0


async def test_what_postgresql_never_keeps_is_spooled_a_few_times_only(
    pool: Pool, recent: RecentRecords
) -> None:
    """An end that Vapi's own record undoes each time."""
    call = new_call("a")
    await record(pool, call)
    recent.note_end(CallEnd("a", AT, "customer-ended-call", call=call))
    spooled = 0
    for _ in range(6):
        await pool.execute("UPDATE callgate.calls SET ended_at = NULL, status = 'in-progress'")
        spooled += await turn(recent)
    assert spooled == recent_records.MOST_TRIES
    assert recent.recent == {}


async def test_what_is_kept_long_enough_is_forgotten(pool: Pool, recent: RecentRecords) -> None:
    recent.keep_seconds = 0.0
    call = new_call("a")
    await record(pool, call)
    recent.note_call(call)
    assert [await turn(recent) for _ in range(2)] == [0, 0]
    assert recent.recent == {}
