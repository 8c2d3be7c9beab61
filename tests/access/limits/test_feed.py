"""Readings of the slots in use, and what happens while one is on its way."""

from collections.abc import Callable, Sequence
from typing import cast

from service.access.limits.feed import LimitFeed
from service.access.limits.memory import LimitMemory
from service.store.calls.call_store import CallStore
from service.store.calls.limits.slots import SlotReading
from tests.access.limits.test_memory import OWNERS, call, in_use, reading


class Slots:
    """PostgreSQL with these calls; before it answers for the first time, something happens."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile: Callable[[], None] | None = meanwhile
        self.held: dict[str, bool] = {}

    async def read_slots(self, asked: Sequence[str]) -> SlotReading:
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        found = {one: self.held[one] for one in asked if one in self.held}
        return reading(sum(self.held.values()), found)


def feed_of(slots: Slots, memory: LimitMemory) -> LimitFeed:
    return LimitFeed(cast("CallStore", slots), memory)


async def test_a_call_that_is_let_in_while_slots_are_read_counts_once() -> None:
    memory = LimitMemory()

    def let_in() -> None:
        slots.held["a"] = True
        memory.note_call(call("a"))

    slots = Slots(let_in)
    await feed_of(slots, memory).turn()
    assert in_use(memory) == 1


async def test_a_call_that_ends_while_slots_are_read_frees_one() -> None:
    memory = LimitMemory()

    def end() -> None:
        slots.held["a"] = False
        memory.note_end("a", OWNERS[0], ("calls",))

    slots = Slots(end)
    slots.held = {"a": True, "b": True}
    await feed_of(slots, memory).turn()
    assert in_use(memory) == 1


async def test_a_flood_of_calls_does_not_keep_a_reading_from_its_end() -> None:
    memory, readings = LimitMemory(), list[int]()

    class Flooded(Slots):
        async def read_slots(self, asked: Sequence[str]) -> SlotReading:
            readings.append(len(readings))
            memory.note_call(call(f"c{len(readings)}"))
            return await super().read_slots(asked)

    await feed_of(Flooded(lambda: None), memory).turn()
    assert 0 < len(readings) < 10
