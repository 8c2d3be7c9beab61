"""Messages start a hang-up again, and never keep the claim of a lost replica alive."""

from uuid import uuid4

from service.access.enforcement.hangup_ladder import DELAYS, next_delay
from service.domain.calls import HangupState
from service.store.calls.call_store import CallStore
from service.store.calls.hangups import RoundResult
from service.store.pool import Pool
from tests.support.calls import new_call, record

PASS = """
UPDATE callgate.calls SET hangup_claimed_until = hangup_claimed_until - make_interval(secs => $2),
    hangup_due_at = hangup_due_at - make_interval(secs => $2)
WHERE vapi_call_id = $1
"""


async def run_rounds(calls: CallStore, call_id: str, last: int) -> None:
    for done in range(1, last + 1):
        result = RoundResult(HangupState.PENDING, done, rounds=done, due_in=next_delay(done - 1))
        assert await calls.record_hangup(call_id, result)


async def test_messages_do_not_prolong_the_claim_of_a_lost_replica(pool: Pool) -> None:
    """Two replicas hear of a call a second apart; a third claimed a round, and is gone."""
    organization = await pool.fetchval(
        "INSERT INTO callgate.organizations (id, name) VALUES ($1, 'Bakery') RETURNING id", uuid4()
    )
    await record(
        pool,
        new_call("lost", allowed=False, organization_id=organization, hangup_after_seconds=0.0),
    )
    calls = CallStore(pool)
    await pool.execute(PASS, "lost", 60.0)
    assert await calls.claim_round("lost")
    seen = []
    for _ in range(7):
        await pool.execute(PASS, "lost", 1.0)
        seen.append(await calls.reopen_hangup("lost"))
    assert "reopened" in seen
    assert seen[0] == "busy"
    # The sweep, too, finds it due as soon as the claim ends.
    await pool.execute(PASS, "lost", 6.0)
    assert await calls.claim_overdue_rounds(10) == ["lost"]


async def test_a_call_whose_organization_is_found_late_begins_its_hang_up_anew(pool: Pool) -> None:
    """Vapi did not answer whose call it is; the rounds that asked are none of the hang-up."""
    await record(pool, new_call("late", allowed=False, hangup_after_seconds=0.0))
    calls = CallStore(pool)
    await run_rounds(calls, "late", 9)
    organization = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    found = new_call("late", allowed=False, organization_id=organization, hangup_after_seconds=0.0)
    await record(pool, found)
    target = await calls.find_hangup_target("late")
    assert target is not None
    assert (target.organization_id, target.hangup_attempts, target.rounds) == (organization, 0, 0)


async def test_no_message_and_no_job_hangs_up_a_guess_before_its_time(pool: Pool) -> None:
    organization = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    guess = new_call(
        "guess",
        allowed=False,
        organization_id=organization,
        hangup_after_seconds=5.0,
        guessed=True,
    )
    await record(pool, guess)
    calls = CallStore(pool)
    for _ in range(4):
        assert await calls.reopen_hangup("guess") == "busy"
        assert not await calls.claim_round("guess")
        await pool.execute(PASS, "guess", 1.0)
    await pool.execute(PASS, "guess", 1.1)
    assert await calls.reopen_hangup("guess") == "reopened"


async def test_messages_do_not_use_up_the_rounds_of_a_hang_up(pool: Pool) -> None:
    """Each begins them anew; a round that runs meanwhile keeps its count."""
    organization = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    await record(
        pool,
        new_call("talks", allowed=False, organization_id=organization, hangup_after_seconds=0.0),
    )
    calls = CallStore(pool)
    for _ in range(2 * len(DELAYS)):
        target = await calls.find_hangup_target("talks")
        assert target is not None
        done = target.rounds + 1
        result = RoundResult(HangupState.PENDING, done, rounds=done, due_in=next_delay(done - 1))
        await calls.record_hangup("talks", result)
        assert await calls.reopen_hangup("talks") == "reopened"
    target = await calls.find_hangup_target("talks")
    assert target is not None
    assert target.rounds == 0
    await run_rounds(calls, "talks", 4)
    assert await calls.claim_round("talks")
    assert await calls.reopen_hangup("talks") == "busy"
    target = await calls.find_hangup_target("talks")
    assert target is not None
    assert target.rounds == 4


async def test_a_late_last_round_gives_up_no_hang_up_that_was_restarted(pool: Pool) -> None:
    """Vapi took longer than the claim held; a message began the rounds anew meanwhile."""
    organization = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
    )
    await record(
        pool,
        new_call("slow", allowed=False, organization_id=organization, hangup_after_seconds=0.0),
    )
    calls, last = CallStore(pool), len(DELAYS)
    await run_rounds(calls, "slow", last)
    assert await calls.claim_round("slow")
    await pool.execute(PASS, "slow", 6.0)
    assert await calls.reopen_hangup("slow") == "reopened"
    late = RoundResult(HangupState.FAILED, last + 1, accepted=True, rounds=last + 1)
    assert not await calls.record_hangup("slow", late)
    target = await calls.find_hangup_target("slow")
    assert target is not None
    assert (target.hangup_state, target.rounds) == (HangupState.PENDING, 0)
    assert (target.hangup_attempts, target.hangup_accepted) == (last + 1, True), "they were sent"
    assert target.claimed_seconds > 0, "the restarted round's claim"
    first = RoundResult(HangupState.PENDING, last + 2, rounds=1, due_in=0.7)
    assert await calls.record_hangup("slow", first)
