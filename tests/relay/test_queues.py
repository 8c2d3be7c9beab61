"""The queue of one organization: order, room, and what goes first when there is none."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.relay.queues import RelayMessage, RelayQueue
from service.relay.shares import FairShare

OWNER = UUID(int=1)


def message(
    text: str, call: str | None = "c", *, lasting: bool = False, at: float = 0.0
) -> RelayMessage:
    return RelayMessage(
        OWNER,
        "msg_1",
        "hang",
        "application/json",
        text.encode(),
        call_id=call,
        is_lasting=lasting,
        received_at=at,
    )


def add(queue: RelayQueue, one: RelayMessage) -> list[RelayMessage]:
    if one.is_lasting:
        queue.put_lasting(one)
        return []
    return queue.put(one)


def text_of(taken: RelayMessage | None) -> str | None:
    return None if taken is None or taken.body is None else taken.body.decode()


def texts(dropped: list[RelayMessage]) -> list[str | None]:
    return [text_of(one) for one in dropped]


def drain(queue: RelayQueue) -> list[str | None]:
    """What is left, in the order of delivery."""
    found = []
    while (taken := queue.take()) is not None:
        found.append(text_of(taken))
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


def test_calls_with_lasting_messages_go_first() -> None:
    queue = RelayQueue(10, 100)
    for text in ("a1", "b1", "b2", "c1"):
        queue.put(message(text, text[0]))
    queue.put_lasting(message("B", "b", lasting=True))
    assert drain(queue) == ["b1", "b2", "B", "a1", "c1"]


def test_a_full_queue_drops_the_oldest_passing_message_and_no_lasting_one() -> None:
    queue = RelayQueue(3, 100)
    queue.put_lasting(message("lasting", lasting=True))
    assert queue.put(message("p1")) == []
    assert queue.put(message("p2", "other")) == []
    assert texts(queue.put(message("p3"))) == ["p1"]
    for text in ("l2", "l3", "l4"):
        queue.put_lasting(message(text, lasting=True))
    assert texts(queue.put(message("p4"))) == ["p2", "p3", "p4"]
    assert drain(queue) == ["lasting", "l2", "l3", "l4"]


def test_a_message_that_can_never_fit_drops_no_other() -> None:
    queue = RelayQueue(10, 10**6, FairShare(200_000))
    assert queue.put(message("small")) == []
    assert len(queue.put(message("x" * 300_000))) == 1
    assert drain(queue) == ["small"]


def test_bytes_are_bounded_with_those_under_way_and_the_newest_may_exceed_them() -> None:
    queue = RelayQueue(100, 10)
    queue.put(message("123456"))
    taken = queue.take()
    assert queue.put(message("x" * 20)) == []
    assert texts(queue.put(message("more"))) == ["x" * 20]
    assert taken is not None
    assert queue.held_bytes == 10
    assert texts(queue.put(message("passing"))) == ["more"]
    queue.finish(taken)
    assert drain(queue) == ["passing"]
    assert queue.held_bytes == 0


def test_a_lasting_message_without_room_waits_without_its_body() -> None:
    queue = RelayQueue(100, 10)
    for text in ("123456", "7890123", "more"):
        queue.put_lasting(message(text, lasting=True))
    assert queue.held_bytes == 13
    assert drain(queue) == ["123456", "7890123", None]


def test_old_messages_that_do_not_last_expire() -> None:
    queue = RelayQueue(10, 100)
    for at in (1.0, 2.0, 3.0):
        queue.put_lasting(message(f"l{at}", lasting=True, at=at))
        queue.put(message(f"p{at}", at=at))
    assert sorted(map(str, texts(queue.expire(2.5)))) == ["p1.0", "p2.0"]
    assert drain(queue) == ["l1.0", "l2.0", "l3.0", "p3.0"]


def test_the_lasting_messages_of_a_call_are_given_up_together() -> None:
    queue = RelayQueue(10, 100)
    for text in ("a1", "b1", "a2"):
        queue.put_lasting(message(text, text[0], lasting=True))
    queue.put(message("a3", "a"))
    assert texts(queue.give_up("a")) == ["a1", "a2"]
    assert drain(queue) == ["b1", "a3"]
    assert queue.held_bytes == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.booleans(), st.integers(0, 9)),
        st.tuples(st.sampled_from(["take", "finish", "put_back", "give_up"])),
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
            gone += len(add(queue, message("x" * int(size), call, lasting=bool(lasting))))
        elif step == "take":
            found = queue.take()
            if found is not None:
                assert found.call not in {one.call for one in taken}
                taken.append(found)
        elif step == "give_up":
            gone += len(queue.give_up("a"))
        elif taken:
            first = taken.pop(0)
            if step == "finish":
                queue.finish(first)
                finished.setdefault(first.call, []).append(first.number)
                gone += 1
            else:
                queue.put_back(first)
        waiting = [one for kind in queue.kinds.values() for one in kind.values()]
        assert queue.waiting == len(waiting)
        assert queue.held_bytes == sum(one.held for one in [*waiting, *taken])
        assert queue.held_bytes < 20 + 10
        assert count == gone + len(waiting) + len(taken)
        lasting_calls = {one.call for one in waiting if one.is_lasting}
        for kind in (True, False):
            found_ready = {one.call for one in waiting if (one.call in lasting_calls) is kind}
            assert set(queue.ready[kind]) == found_ready - {one.call for one in taken}
    for numbers in finished.values():
        assert numbers == sorted(numbers)
