"""Which look-ups a request answers: whatever waits and whatever lists show, each is asked for soon."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vapi.calls.lookup_queue import (
    LEAST_LISTED,
    LISTED_BYTES,
    MOST_LISTED,
    Batch,
    Call,
    CallList,
    Lookup,
    LookupQueue,
)

Shown = tuple[float, int, float | None]
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

ages = st.floats(-5, 100_000)
shown_parts = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3_000_000), st.floats(0, 20_000) | st.none())
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def add(queue: LookupQueue, loop: asyncio.AbstractEventLoop, name: str, age: float) -> Lookup:
    began = NOW - timedelta(seconds=age)
    made = queue.waiting[name] = Lookup(name, loop.create_future(), began)
    return made


def put_back(queue: LookupQueue, batch: Batch, found: CallList) -> None:
    """What `CallLookups` does with a list."""
    queue.learn(batch, found)
    for one in batch.lookups:
        if one.vapi_call_id not in found.calls:
            queue.waiting[one.vapi_call_id] = one


@given(ages=st.lists(ages, min_size=1, max_size=80), shown=shown_parts)
def test_every_request_brings_the_queue_forward(
    loop: asyncio.AbstractEventLoop,
    ages: list[float],
    shown: list[tuple[float, int, float | None]],
) -> None:
    queue = LookupQueue()
    waiting = {add(queue, loop, f"c{place}", age) for place, age in enumerate(ages)}
    answers = iter(shown)
    for _ in range(2 * len(ages)):
        if (batch := queue.take(NOW)) is None:
            break
        assert set(batch.lookups) <= waiting
        if batch.query is None:
            assert len(batch.lookups) == 1
            waiting.discard(batch.lookups[0])
            continue
        assert LEAST_LISTED <= batch.query.limit <= MOST_LISTED
        part, size, oldest = next(answers, (0.0, 2, None))
        found: dict[str, Call] = {
            one.vapi_call_id: {} for one in batch.lookups[: int(part * len(batch.lookups))]
        }
        reached = None if oldest is None else NOW - timedelta(seconds=oldest)
        put_back(queue, batch, CallList(found, reached, size + 2))
        waiting -= {one for one in batch.lookups if one.vapi_call_id in found}
    # Each request answers one at least, or shows that its call needs a request of its own.
    assert not queue.waiting
    assert not waiting


@given(ages=st.lists(st.floats(-5, 40_000), min_size=2, max_size=80))
def test_two_requests_take_the_newest_and_the_one_that_waits_longest(
    loop: asyncio.AbstractEventLoop, ages: list[float]
) -> None:
    queue = LookupQueue()
    first, *others = [add(queue, loop, f"c{place}", age) for place, age in enumerate(ages)]
    first.alone = True
    newest = max(others, key=lambda one: min(one.began, NOW))
    taken = [one for _ in range(2) for one in (queue.take(NOW) or Batch([])).lookups]
    assert newest in taken
    assert first in taken


def test_a_list_covers_more_only_while_it_does_not_reach_far_enough(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = LookupQueue()
    for place in range(50):
        add(queue, loop, f"c{place}", place)
    batch = queue.take(NOW)
    assert batch is not None
    assert batch.query is not None
    assert batch.query.until is None
    shown: dict[str, Call] = {one.vapi_call_id: {} for one in batch.lookups[:20]}
    put_back(queue, batch, CallList(shown, NOW - timedelta(seconds=19), 20 * 1000))
    assert queue.limit == 2 * batch.query.limit
    assert not any(one.alone for one in queue.waiting.values())
    following = queue.take(NOW)
    assert following is not None
    assert following.query is not None
    shown = {one.vapi_call_id: {} for one in following.lookups}
    size = 2 * LISTED_BYTES
    put_back(queue, following, CallList(shown, NOW - timedelta(seconds=60), size))
    assert queue.limit == max(len(shown) // 2, LEAST_LISTED)
