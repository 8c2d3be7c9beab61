"""A control URL is erased when its call is over, however its end is recorded."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from service.domain.calls import CallEnd, HangupState
from service.store.calls.call_store import CallStore
from service.store.calls.control_urls import erase_old
from service.store.calls.ends import record_end
from service.store.calls.hangups import RoundResult, record_hangup
from service.store.calls.spool import Entry, Spool
from service.store.pool import Pool
from tests.support.calls import AT, new_call, record

URL = "https://a.vapi.ai/the-canary/control"
LEFT = "SELECT count(*) FROM callgate.calls WHERE control_url IS NOT NULL"


async def test_the_end_of_a_call_erases_it(pool: Pool) -> None:
    await record(
        pool,
        new_call("a", control_url=URL),
        new_call("b", control_url=URL, hangup_after_seconds=0.0),
    )
    assert await pool.fetchval(LEFT) == 2
    await record_end(pool, CallEnd(vapi_call_id="a", ended_at=AT))
    await record_hangup(pool, "b", RoundResult(HangupState.CONFIRMED, 1))
    assert await pool.fetchval(LEFT) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE callgate.calls SET ended_at = now()",
        "UPDATE callgate.calls SET ended_at = now(), control_url = 'https://a.vapi.ai/other'",
    ],
)
async def test_any_statement_that_ends_a_call_erases_it(pool: Pool, statement: str) -> None:
    await record(pool, new_call("a", control_url=URL))
    await pool.execute(statement)
    assert await pool.fetchval(LEFT) == 0
    # Nor does a later record bring it back to a call that is over.
    await pool.execute("UPDATE callgate.calls SET control_url = $1", URL)
    assert await pool.fetchval(LEFT) == 0


async def test_a_call_whose_end_is_never_reported_loses_it_by_age(pool: Pool) -> None:
    await record(pool, new_call("old", control_url=URL), new_call("young", control_url=URL))
    age = "UPDATE callgate.calls SET created_at = now() - $1::interval WHERE vapi_call_id = $2"
    await pool.execute(age, timedelta(hours=25), "old")
    await pool.execute(age, timedelta(hours=23), "young")
    await erase_old(pool)
    left = await pool.fetch("SELECT vapi_call_id FROM callgate.calls WHERE control_url IS NOT NULL")
    assert [row["vapi_call_id"] for row in left] == ["young"]


async def test_a_rejected_record_on_disk_holds_none(tmp_path: Path, pool: Pool) -> None:
    spool = Spool(tmp_path, CallStore(pool))
    await spool.keep(Entry(call=new_call("a", control_url=URL, type="x\x00")))
    await spool.drain()
    spool.close()
    kept = await asyncio.to_thread((tmp_path / "refused").read_text)
    assert '"a"' in kept
    assert "canary" not in kept
