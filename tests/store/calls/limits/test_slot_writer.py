"""Counting in batches: no organization waits for another's, and nothing is counted too late."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from service.core import MOST_FOR_LIMITS
from service.domain.calls import CallKey, NewCall
from service.domain.policies.limits import let_in
from service.store.calls.call_store import CallStore
from service.store.calls.limits.slot_writer import AT_ONCE, SlotWriter
from service.store.calls.writer import RecordsUnavailableError
from tests.store.calls.limits.test_slots import OWNERS, call


class GatedStore(CallStore):
    """Counts when the gate of an organization is open."""

    def __init__(self) -> None:
        self.gates = {owner: asyncio.Event() for owner in OWNERS}
        self.batches: list[list[str]] = []

    async def let_calls_in(self, calls: Sequence[NewCall]) -> dict[CallKey, NewCall]:
        owner = calls[0].organization_id
        assert owner is not None
        await self.gates[owner].wait()
        self.batches.append([one.vapi_call_id for one in calls])
        return {one.key: one for one in let_in(calls, {})}

    def open(self, *owners: UUID) -> None:
        for owner in owners:
            self.gates[owner].set()


async def test_calls_that_arrive_meanwhile_are_counted_together() -> None:
    """In the order of their arrival; a copy in the same batch is not counted."""
    store = GatedStore()
    writer = SlotWriter(store)
    names = ["a", "b", "c", "b", "d"]
    counting = [asyncio.create_task(writer.count(call(name), 2.0)) for name in names]
    await asyncio.sleep(0.01)
    store.open(OWNERS[0])
    counted = await asyncio.gather(*counting)
    assert store.batches[-1] in (["b", "c", "d"], ["a", "b", "c", "d"])
    assert [one is None for one in counted] == [False, False, False, True, False]


async def test_one_organization_does_not_wait_for_another() -> None:
    store = GatedStore()
    writer = SlotWriter(store)
    stuck = asyncio.create_task(writer.count(call("a"), 1.0))
    store.open(OWNERS[1])
    found = await writer.count(call("b", owner=OWNERS[1]), 1.0)
    assert found is not None
    assert found.decision.allowed
    with pytest.raises(RecordsUnavailableError):
        await stuck


async def test_a_call_that_no_message_waits_for_is_not_counted() -> None:
    """Those that wait behind a transaction that hangs stop waiting; the next ones do not wait at all."""
    store = GatedStore()
    writer = SlotWriter(store)
    given = [asyncio.create_task(writer.count(call(one), 0.2)) for one in ("a", "b")]
    await asyncio.sleep(0.01)
    given.append(asyncio.create_task(writer.count(call("c"), 0.2)))
    for one in given:
        with pytest.raises(RecordsUnavailableError):
            await one
    with pytest.raises(RecordsUnavailableError):
        await asyncio.wait_for(writer.count(call("d"), 5.0), 0.1)
    store.open(*OWNERS)
    await asyncio.sleep(0.3)
    assert store.batches == []


def test_a_locked_organization_leaves_connections_to_others_and_to_the_reading() -> None:
    assert MOST_FOR_LIMITS > AT_ONCE
