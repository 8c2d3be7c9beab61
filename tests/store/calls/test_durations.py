"""How long a blocked call was on the line, counted from its own beginning."""

from datetime import UTC, datetime, timedelta

import pytest

from service.domain.calls import CallEnd, HangupState
from service.store.calls.ends import record_end
from service.store.calls.hangups import RoundResult, record_hangup
from service.store.pool import Pool
from tests.support.calls import new_call, record

LIVED = "SELECT lived_seconds FROM callgate.calls WHERE vapi_call_id = 'a'"


@pytest.mark.parametrize("way", ["vapi", "hang-up"])
async def test_a_call_that_was_found_late_is_counted_from_its_beginning(
    pool: Pool, way: str
) -> None:
    """Its row was made when the call was found, long after it began."""
    now = datetime.now(UTC)
    began = now - timedelta(seconds=39)
    await record(pool, new_call("a", allowed=False, started_at=began, hangup_after_seconds=0.0))
    if way == "vapi":
        await record_end(pool, CallEnd("a", now, "assistant-ended-call", proof="vapi"))
    else:
        await record_hangup(pool, "a", RoundResult(HangupState.CONFIRMED, 1))
    assert 38.5 < await pool.fetchval(LIVED) < 60
