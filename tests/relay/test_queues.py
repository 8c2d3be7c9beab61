"""The queue of one organization: order, room, and what goes first when there is none."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.relay.queues import RelayMessage, RelayQueue

OWNER = UUID(int=1)


def message(
    text: str, call: str | None = "c", *, lasting: bool = True, at: float = 0.0
) -> RelayMessage:
    return RelayMessage(OWNER, "", text.encode(), {}, call, lasting, at)


def text_of(taken: RelayMessage | None) -> str | None:
    return taken.body.decode() if taken is not None else None


def texts(dropped: list[RelayMessage]) -> list[str]:
    return [one.body.decode() for one in dropped]


def drain(queue: RelayQueue) -> list[str]:
    """What is left, in the order of delivery."""
    found = []
    while (taken := queue.take()) is not None:
        found.append(taken.body.decode())
        queue.finish(taken)
    return found


def test_a_call_has_one_message_under_way() -> None:
    queue = RelayQueue(10, 100)
    for text, call in (("1", "a"), ("2", "a"), ("3", "b")):
        queue.put(message(text, call))
    first, second = queue.take(), queue.take()
    assert (text_of(first), text_of(second), queue.take()) == ("1", "3", None)
    assert first is not None
    queue.finish(first)
    assert text_of(queue.take()) == "2"


def test_a_message_that_is_put_back_stays_the_first_of_its_call() -> None:
    queue = RelayQueue(10, 100)
    for text in "123":
        queue.put(message(text))
    first = queue.take()
    assert first is not None
    queue.put(message("4"))
    queue.put_back(first)
    assert drain(queue) == ["1", "2", "3", "4"]
    assert queue.held_bytes == 0


def test_calls_take_turns() -> None:
    queue = RelayQueue(10, 100)
    for text in ("a1", "a2", "a3", "b1", "b2"):
        queue.put(message(text, text[0]))
    assert drain(queue) == ["a1", "b1", "a2", "b2", "a3"]


def test_a_full_queue_drops_the_oldest_passing_message_first() -> None:
    queue = RelayQueue(3, 100)
    assert queue.put(message("old")) == []
    assert queue.put(message("p1", lasting=False)) == []
    assert queue.put(message("p2", "other", lasting=False)) == []
    assert texts(queue.put(message("new"))) == ["p1"]
    assert texts(queue.put(message("p3", lasting=False))) == ["p2"]
    assert texts(queue.put(message("newer"))) == ["p3"]
    assert texts(queue.put(message("p4", lasting=False))) == ["p4"]
    assert texts(queue.put(message("newest"))) == ["old"]
    assert drain(queue) == ["new", "newer", "newest"]


def test_bytes_are_bounded_with_those_under_way_and_the_newest_may_exceed_them() -> None:
    queue = RelayQueue(100, 10)
    queue.put(message("123456"))
    taken = queue.take()
    assert queue.put(message("x" * 20, lasting=False)) == []
    assert texts(queue.put(message("more"))) == ["x" * 20]
    assert taken is not None
    assert queue.held_bytes == 10
    assert texts(queue.put(message("passing", lasting=False))) == ["passing"]
    queue.finish(taken)
    assert drain(queue) == ["more"]
    assert queue.held_bytes == 0


def test_old_messages_expire_of_either_kind() -> None:
    queue = RelayQueue(10, 100)
    for at in (1.0, 2.0, 3.0):
        queue.put(message(f"l{at}", lasting=True, at=at))
        queue.put(message(f"p{at}", lasting=False, at=at))
    assert sorted(texts(queue.expire(2.5))) == ["l1.0", "l2.0", "p1.0", "p2.0"]
    assert drain(queue) == ["l3.0", "p3.0"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.booleans(), st.integers(0, 9)),
        st.tuples(st.sampled_from(["take", "finish", "put_back"])),
    ),
    max_size=80,
)


@given(STEPS)
def test_whatever_happens_order_and_room_are_kept(steps: list[tuple[str, ...]]) -> None:
    queue = RelayQueue(5, 20)
    taken: list[RelayMessage] = []
    finished: dict[str, list[int]] = {}
    count, gone = 0, 0
    for step, *given_values in steps:
        if step == "put":
            call, lasting, size = given_values
            count += 1
            gone += len(queue.put(message("x" * int(size), call, lasting=bool(lasting))))
        elif step == "take":
            found = queue.take()
            if found is not None:
                assert found.call not in {one.call for one in taken}
                taken.append(found)
        elif taken:
            first = taken.pop(0)
            if step == "finish":
                queue.finish(first)
                finished.setdefault(first.call, []).append(first.number)
                gone += 1
            else:
                queue.put_back(first)
        waiting = [one for kind in queue.kinds.values() for one in kind.values()]
        assert queue.waiting == len(waiting) <= 5 + 3  # those put back may exceed it
        assert queue.held_bytes == sum(len(one.body) for one in [*waiting, *taken])
        assert queue.held_bytes < 20 + 10
        assert count == gone + len(waiting) + len(taken)
        assert set(queue.ready) == {one.call for one in waiting} - {one.call for one in taken}
    for numbers in finished.values():
        assert numbers == sorted(numbers)
