"""The slots in memory: readings, what this replica did since, and its share without readings."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from policies.contract import Effect
from service.access.limits.memory import LimitMemory
from service.domain.calls import NewCall, Refusal
from service.domain.decisions import Decision, SlotUse, TraceEntry
from service.domain.policies.limits import let_in, place_of, share_of
from service.store.calls.limits.slots import SlotReading

OWNERS = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 15, tzinfo=UTC)
ME, OTHER = UUID(int=10), UUID(int=11)


def call(call_id: str, capacity: int = 2, owner: UUID = OWNERS[0], name: str = "calls") -> NewCall:
    """A granted call within one limit."""
    limits = (SlotUse(name, capacity, "too_many"),)
    trace = (TraceEntry("p", "abstain", limits=limits), TraceEntry("plan", "allow", "plan_active"))
    decision = Decision(UUID(int=7), Effect.ALLOW, "plan_active", "plan", "fresh", trace, NOW)
    return NewCall(call_id, owner, None, None, None, "request", decision, NOW, refusal=Refusal(8.0))


def reading(held: int = 0, found: dict[str, bool] | None = None, replicas: int = 1) -> SlotReading:
    others = [UUID(int=10 + n) for n in range(replicas)]
    return SlotReading({(OWNERS[0], "calls"): held}, others, found or {})


def in_use(memory: LimitMemory) -> int:
    return memory.count((OWNERS[0], "calls"))


CALLS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(OWNERS), st.sampled_from(("calls", "lines"))),
    max_size=30,
)


@given(CALLS, st.integers(0, 4))
def test_no_call_is_let_in_beyond_its_capacity(
    wanted: list[tuple[int, UUID, str]], used: int
) -> None:
    """And none is kept out while fewer are in use than its own capacity says."""
    counts = Counter({(OWNERS[0], "calls"): used})
    calls = [call(f"c{place}", *one) for place, one in enumerate(wanted)]
    for asked, decided in zip(calls, let_in(calls, counts), strict=True):
        (limit,) = asked.decision.limits
        assert asked.organization_id is not None
        key = asked.organization_id, limit.name
        assert decided.decision.allowed == (counts[key] < limit.capacity)
        if decided.decision.allowed:
            assert decided.slots == (limit.name,)
            counts[key] += 1
        else:
            assert (decided.slots, decided.hangup_after_seconds) == ((), 8.0)
            assert (decided.decision.reason, decided.decision.determined_by) == ("too_many", "p")


@given(st.integers(-20, 200), st.integers(1, 9))
def test_shares_are_all_that_is_free(free: int, replicas: int) -> None:
    shares = [share_of(free, place, replicas) for place in range(replicas)]
    assert sum(shares) == free
    assert max(shares) - min(shares) <= 1


def test_a_replica_counts_itself() -> None:
    assert place_of(OTHER, [ME]) == (1, 2)
    assert place_of(ME, [OTHER, ME]) == (0, 2)
    assert place_of(None, []) == (0, 1)


@given(
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40),
)
def test_all_replicas_together_keep_within_the_capacity(
    capacity: int, held: int, replicas: int, steps: list[tuple[int, bool]]
) -> None:
    """Calls begin and end at any replica, each end at one of them."""
    ids = [UUID(int=10 + n) for n in range(replicas)]
    memories = []
    for me in ids:
        memory = LimitMemory()
        memory.put(reading(held, replicas=replicas), {}, me)
        memories.append(memory)
    live: list[tuple[str, LimitMemory]] = []
    before = [f"before-{n}" for n in range(held)]
    for step, (place, begins) in enumerate(steps):
        memory = memories[place % replicas]
        if begins:
            decided = memory.decide_by_share(call(f"c{step}", capacity))
            memory.note_call(decided)
            if decided.decision.allowed:
                live.append((decided.vapi_call_id, memory))
                assert len(live) + len(before) <= max(capacity, held)
        elif live:
            ended, owner = live.pop()
            owner.note_end(ended, OWNERS[0], ("calls",))
            owner.note_end(ended, OWNERS[0], ("calls",))
        elif before:
            memory.note_end(before.pop(), OWNERS[0], ("calls",))


def test_a_reading_takes_over_what_it_has() -> None:
    memory = LimitMemory()
    assert memory.measure(OWNERS[0], SlotUse("calls", 2, "x")).in_use is None
    memory.note_call(call("a"))
    memory.put(reading(0), memory.noted(), ME)
    assert in_use(memory) == 1, "its record is not there yet"
    memory.put(reading(1, {"a": True}), memory.noted(), ME)
    assert in_use(memory) == 1
    memory.note_end("a", OWNERS[0], ("calls",))
    memory.note_end("a", OWNERS[0], ("calls",))
    assert in_use(memory) == 0
    memory.put(reading(1, {"a": True}), memory.noted(), ME)
    assert in_use(memory) == 0, "the reading may be older than the end"
    memory.put(reading(0, {"a": False}), memory.noted(), ME)
    assert in_use(memory) == 0
    assert not memory.noted()


def test_a_call_that_ends_while_it_is_read_counts_no_more() -> None:
    memory = LimitMemory()
    memory.note_call(call("a"))
    noted = memory.noted()
    memory.note_end("a", OWNERS[0], ("calls",))
    memory.put(reading(1, {"a": True}), noted, ME)
    assert in_use(memory) == 0


def test_without_any_reading_a_replica_lets_in_one_call_at_a_time() -> None:
    memory = LimitMemory()
    passed = []
    for number in range(3):
        decided = memory.decide_by_share(call(f"c{number}", 5))
        memory.note_call(decided)
        passed.append(decided.decision.allowed)
    assert passed == [True, False, False]
    memory.note_end("c0", OWNERS[0], ("calls",))
    assert memory.decide_by_share(call("d", 5)).decision.allowed
    assert not memory.decide_by_share(call("e", 0)).decision.allowed


def test_a_decision_by_share_says_so_and_outranks_a_count() -> None:
    memory = LimitMemory()
    memory.put(reading(1, replicas=2), {}, ME)
    decided = memory.decide_by_share(call("a", 2)).decision
    assert (decided.basis, decided.allowed) == ("last_known_good", True)
    assert decided.decided_at < NOW
    (used,) = decided.limits
    assert (used.in_use, used.share) == (1, 2)
    assert memory.by_share
    memory.note_decision(decided)
    assert memory.outcomes == {("let_in", "share"): 1}
