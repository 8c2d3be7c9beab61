"""How long a blocked call was on the line, counted from its own beginning."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.domain.calls import NOT_FOUND, CallEnd, EndProof, HangupState
from service.domain.wording.calls import describe_end
from service.store.calls.ends import record_end
from service.store.calls.hangups import RoundResult, record_hangup
from service.store.calls.listing.search import find_by_vapi_id
from service.store.calls.metrics import list_blocked_seconds
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


async def test_the_end_that_is_told_later_says_how_long_a_call_lasted(pool: Pool) -> None:
    """Vapi did not know the call when it was asked, a minute after its end, and tells it later."""
    now = datetime.now(UTC)
    began = now - timedelta(seconds=70)
    await record(pool, new_call("a", allowed=False, started_at=began, hangup_after_seconds=0.0))
    await record_hangup(pool, "a", RoundResult(HangupState.CONFIRMED, 1))
    await record_end(pool, CallEnd("a", now, NOT_FOUND, proof="missing"))
    told = CallEnd("a", began + timedelta(seconds=8), "assistant-ended-call", proof="vapi")
    await record_end(pool, told)
    assert await pool.fetchval(LIVED) == pytest.approx(8.0, abs=0.1)


async def test_how_long_a_call_lasted_is_not_said_where_vapi_no_longer_knew_it(pool: Pool) -> None:
    """The instant of such an end is when Callgate asked, minutes or hours after the call."""
    now = datetime.now(UTC)
    began = now - timedelta(hours=2)
    ends: tuple[tuple[str, str, EndProof], ...] = (
        ("a", NOT_FOUND, "missing"),
        ("b", "assistant-ended-call", "vapi"),
    )
    for name, reason, proof in ends:
        call = new_call(
            name,
            allowed=False,
            organization_id=uuid4(),
            started_at=began,
            hangup_after_seconds=0.0,
        )
        await record(pool, call)
        ended = now if name == "a" else began + timedelta(seconds=3)
        await record_end(pool, CallEnd(name, ended, reason, proof=proof))
    gone, known = [await find_by_vapi_id(pool, name) for name in "ab"]
    assert gone is not None
    assert known is not None
    assert gone.ended_at is not None
    assert gone.lived_seconds is None
    assert describe_end(gone) == "Vapi no longer knows it, so when it ended is not known."
    assert known.lived_seconds == pytest.approx(3.0, abs=0.1)
    assert await list_blocked_seconds(pool) == [("event", *[pytest.approx(3.0, abs=0.1)] * 2)]
