"""Slots of limits in the rows of calls: who gets one, and what frees it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from policies.contract import Effect
from service.domain.calls import CallEnd, NewCall, Refusal
from service.domain.decisions import Decision, SlotUse, TraceEntry
from service.store.calls.call_store import CallStore
from service.store.calls.limits.slots import SlotReading
from service.store.pool import Pool

OWNERS = UUID(int=1), UUID(int=2)
ORGANIZATION = "INSERT INTO callgate.organizations (id, name) VALUES ($1, 'A')"


@pytest.fixture
async def store(pool: Pool) -> CallStore:
    for owner in OWNERS:
        await pool.execute(ORGANIZATION, owner)
    return CallStore(pool)


def call(
    call_id: str, capacity: int = 2, names: Sequence[str] = ("calls",), owner: UUID = OWNERS[0]
) -> NewCall:
    """A granted call within limits."""
    now = datetime.now(UTC)
    limits = tuple(SlotUse(name, capacity, "too_many") for name in names)
    trace = (TraceEntry("p", "abstain", limits=limits), TraceEntry("plan", "allow", "plan_active"))
    decision = Decision(uuid4(), Effect.ALLOW, "plan_active", "plan", "fresh", trace, now)
    return NewCall(call_id, owner, None, None, None, "event", decision, now, refusal=Refusal(0.0))


def acted(one: NewCall) -> NewCall:
    """The same, let in by a replica's share."""
    return replace(one, acted=True, refusal=None)


def denied(one: NewCall) -> NewCall:
    return replace(one, decision=replace(one.decision, effect=Effect.DENY, trace=()), refusal=None)


async def held(store: CallStore, owner: UUID = OWNERS[0], name: str = "calls") -> int:
    reading: SlotReading = await store.read_slots([])
    return reading.counts.get((owner, name), 0)


async def let_in(store: CallStore, *calls: NewCall) -> list[bool | None]:
    """Whether each was let in; None: it is recorded already."""
    counted = await store.let_calls_in(calls)
    found = [counted.get(one.key) for one in calls]
    return [None if one is None else one.decision.allowed for one in found]


async def test_many_at_once_with_several_limits_neither_exceed_nor_deadlock(
    store: CallStore,
) -> None:
    """Batches of two organizations, with the names in both orders."""
    names = ("calls", "lines")

    async def batch(number: int) -> list[bool | None]:
        ordered = names if number % 2 else names[::-1]
        calls = [call(f"{number}-{n}", 5, ordered, OWNERS[n % 2]) for n in range(6)]
        return await let_in(store, *calls)

    answers = [one for found in await asyncio.gather(*map(batch, range(20))) for one in found]
    assert answers.count(True) == 10
    for owner in OWNERS:
        for name in names:
            assert await held(store, owner, name) == 5


async def test_one_call_takes_one_slot(store: CallStore) -> None:
    """Asked twice, in one batch, at once and later, by decisions of their own."""
    assert await let_in(store, call("a"), call("b")) == [True, True]
    again = await asyncio.gather(*(let_in(store, call("a")) for _ in range(3)))
    assert again == [[None]] * 3
    assert await held(store) == 2
    assert await let_in(store, call("c")) == [False]
    assert await held(store) == 2


async def test_an_end_frees_the_slot_and_an_end_taken_back_takes_it_again(
    store: CallStore,
) -> None:
    await let_in(store, call("a"))
    end = CallEnd("a", datetime.now(UTC), "hangup", organization_id=OWNERS[0])
    assert await store.record_end(end) == "closed"
    assert await held(store) == 0
    await store.reopen_call("a")
    assert await held(store) == 1


async def test_a_call_that_is_being_hung_up_keeps_its_slot_until_the_end_is_proved(
    store: CallStore,
) -> None:
    await let_in(store, call("a"))
    await store.cut_calls(OWNERS[0], "plan_ended", datetime.now(UTC) + timedelta(hours=1))
    end = CallEnd("a", datetime.now(UTC), "hangup", organization_id=OWNERS[0])
    assert await store.record_end(end) == "claimed"
    assert await held(store) == 1
    await store.record_end(replace(end, proof="vapi"))
    assert await held(store) == 0


async def test_age_frees_nothing(store: CallStore, pool: Pool) -> None:
    await let_in(store, call("a"))
    await pool.execute(
        "UPDATE callgate.calls SET created_at = created_at - interval '20 days',"
        " started_at = started_at - interval '20 days'"
    )
    assert await held(store) == 1
    assert await store.list_old_open(datetime.now(UTC), 5) == ["a"], "Vapi is asked about it"


async def test_a_decision_that_loses_leaves_no_slot(store: CallStore) -> None:
    await store.record_calls([denied(call("a"))])
    assert await let_in(store, call("a")) == [None]
    later = replace(call("a"), acted=True, refusal=None)
    await store.record_calls([later])
    assert await held(store) == 0


async def test_of_decisions_without_postgresql_the_one_that_stands_counts(store: CallStore) -> None:
    """A grant is counted beyond the capacity; an earlier denial takes it, and an earlier grant wins."""
    await let_in(store, call("a", 1))
    await store.record_calls([acted(call("b", 1))])
    assert await held(store) == 2
    first = call("b", 1)
    earlier = replace(first.decision, decided_at=first.decision.decided_at - timedelta(minutes=1))
    await store.record_calls([acted(denied(replace(first, decision=earlier)))])
    assert await held(store) == 1
    earliest = replace(first.decision, decided_at=first.decision.decided_at - timedelta(minutes=2))
    await store.record_calls([acted(replace(first, decision=earliest))])
    assert await held(store) == 2


async def test_a_call_of_another_organization_takes_its_slot_along(store: CallStore) -> None:
    await let_in(store, call("a"))
    assert await store.change_owner(call("a", owner=OWNERS[1]))
    assert (await held(store), await held(store, OWNERS[1])) == (0, 1)


async def test_a_reading_says_how_calls_stand(store: CallStore) -> None:
    await let_in(store, call("a"), call("b"))
    await store.record_end(CallEnd("b", datetime.now(UTC), organization_id=OWNERS[0]))
    reading = await store.read_slots(["a", "b", "c"])
    assert reading.found == {"a": True, "b": False}


async def test_the_stored_decision_says_what_was_counted(store: CallStore) -> None:
    await let_in(store, call("a"), call("b"))
    found = (await store.find_decisions(["b"]))["b"]
    (limit,) = found.decision.limits
    assert (limit.in_use, limit.capacity, found.slots) == (1, 2, ("calls",))
