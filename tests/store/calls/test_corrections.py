"""Of several decisions on one call the same one stands, in whatever order the spools are drained."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from policies.contract import Effect
from service.domain.calls import CallEnd, NewCall
from service.domain.decisions import Basis
from service.store.calls.call_store import CallStore
from service.store.calls.corrections import rank
from service.store.pool import Pool
from tests.support.calls import AT, new_call

ROW = """
SELECT decision->>'id' AS id, blocked, status, hangup_state, corrected_at IS NOT NULL AS corrected
FROM callgate.calls WHERE vapi_call_id = $1
"""
JOBS = "SELECT count(*) FROM callgate.pgqueuer WHERE entrypoint = 'hangup'"


@pytest.fixture
async def owner(pool: Pool) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('A') RETURNING id"
    )
    return found


def decided(
    call_id: str, owner: UUID, *, allowed: bool, basis: Basis, second: int, acted: bool = True
) -> NewCall:
    """A record of a call: of a replica that acted on it, unless told otherwise."""
    call = new_call(call_id, allowed=allowed, organization_id=owner, acted=acted)
    decision = replace(call.decision, basis=basis, decided_at=AT + timedelta(seconds=second))
    return replace(call, decision=decision, hangup_after_seconds=None if allowed else 0.0)


async def read(pool: Pool, call_id: str) -> Any:
    return await pool.fetchrow(ROW, call_id)


async def test_any_order_of_draining_leaves_the_same_decision(pool: Pool, owner: UUID) -> None:
    calls = CallStore(pool)
    kinds: list[tuple[bool, Basis, int]] = [
        (True, "reconstructed", 0),
        (False, "fresh", 2),
        (True, "last_known_good", 1),
        (False, "reconstructed", 0),
    ]
    for number, order in enumerate(permutations(range(len(kinds)))):
        call_id = f"call-{number}"
        records = [
            decided(call_id, owner, allowed=allowed, basis=basis, second=second)
            for allowed, basis, second in kinds
        ]
        for place in order:
            await calls.record_calls([records[place]])
        row = await read(pool, call_id)
        assert (row["id"], row["blocked"]) == (str(records[2].decision.id), False)
        assert (row["status"], row["hangup_state"]) == ("in-progress", None)
        tied = sorted([records[0], records[3]], key=lambda one: rank(one.decision))
        for one in tied:
            await calls.record_calls([replace(one, vapi_call_id=f"{call_id}-tied")])
        await calls.record_calls([replace(tied[0], vapi_call_id=f"{call_id}-back")])
        await calls.record_calls([replace(tied[1], vapi_call_id=f"{call_id}-back")])
        for end in ("tied", "back"):
            assert (await read(pool, f"{call_id}-{end}"))["id"] == str(tied[0].decision.id)


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_hang_up_follows_the_decision_that_stands(
    pool: Pool, owner: UUID, *, allowed: bool
) -> None:
    """An order that was not carried out is withdrawn; one that is needed is given."""
    calls = CallStore(pool)
    guess = decided("c-1", owner, allowed=not allowed, basis="reconstructed", second=0)
    await calls.record_calls([guess])
    since = await pool.fetchval("SELECT now()")
    first = decided("c-1", owner, allowed=allowed, basis="fresh", second=5)
    won, stored = await calls.record_calls([first])
    assert (won, stored[first.key].decision.effect) == (
        set(),
        Effect.ALLOW if allowed else Effect.DENY,
    )
    row = await read(pool, "c-1")
    assert (row["blocked"], row["hangup_state"]) == (not allowed, None if allowed else "pending")
    assert row["status"] == ("in-progress" if allowed else "failed")
    assert (await calls.find_hangup_target("c-1") is None) == allowed
    assert await pool.fetchval(JOBS) == 1
    assert (await calls.list_corrected(since))[1] == ["c-1"]
    assert (await calls.list_corrected(None))[1] == []


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)], ids=["end first", "grant first"])
async def test_an_end_that_was_to_be_confirmed_counts_for_a_call_that_is_granted_after_all(
    pool: Pool, owner: UUID, order: tuple[int, ...]
) -> None:
    """Its hang-up is withdrawn, so nothing asks Vapi any more whether it has ended."""
    calls = CallStore(pool)
    over = AT + timedelta(seconds=20)
    denied = decided("c-1", owner, allowed=False, basis="fresh", second=5)
    granted = decided("c-1", owner, allowed=True, basis="last_known_good", second=0)

    async def end() -> object:
        return await calls.record_end(
            CallEnd("c-1", over, "customer-ended-call", 12.5, Decimal("0.1"), owner)
        )

    steps = (lambda: calls.record_calls([denied]), end, lambda: calls.record_calls([granted]))
    for step in order:
        await steps[step]()
    row = await pool.fetchrow(
        "SELECT status, ended_at, ended_reason, duration_seconds, hangup_state FROM callgate.calls"
    )
    assert tuple(row or ()) == ("ended", over, "customer-ended-call", 12.5, None)


async def test_a_decision_that_could_ask_takes_the_stored_one_over(pool: Pool, owner: UUID) -> None:
    calls = CallStore(pool)
    stored = decided("c-1", owner, allowed=True, basis="reconstructed", second=9)
    await calls.record_calls([stored])
    asking = decided("c-1", owner, allowed=False, basis="fresh", second=0, acted=False)
    _, found = await calls.record_calls([asking])
    assert found[asking.key].decision.id == stored.decision.id
    assert not (await read(pool, "c-1"))["corrected"]


@pytest.mark.parametrize("stored", [True, False], ids=["granted", "denied"])
async def test_a_guess_that_stands_has_its_time_unless_the_call_is_hung_up_already(
    pool: Pool, owner: UUID, *, stored: bool
) -> None:
    calls = CallStore(pool)
    first = decided("guess", owner, allowed=stored, basis="reconstructed", second=1)
    guess = decided("guess", owner, allowed=False, basis="reconstructed", second=0)
    await calls.record_calls([first])
    await calls.record_calls([replace(guess, guessed=True, hangup_after_seconds=5.0)])
    target = await calls.find_hangup_target("guess")
    assert target is not None
    assert (target.claimed_seconds > 3) is stored
    due = await pool.fetchval("SELECT max(execute_after) - now() FROM callgate.pgqueuer")
    assert (due > timedelta(seconds=3)) is stored
