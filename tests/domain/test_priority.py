"""Shares of the budget: no kind starves, the rate is kept, and nothing stays unused."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service.domain.priority import SHARES, Clocks, Priority, most_at_once, pause, take

RATES = st.sampled_from([0.5, 1.4, 5.0, 50.0])
KINDS = st.sets(st.sampled_from(list(Priority)), min_size=1)


def run(
    wanted: dict[float, set[Priority]], rate: float, seconds: float, order: list[Priority]
) -> list[tuple[float, Priority]]:
    """The requests that went out, where from each instant on these kinds always want another one.

    In each round every kind that wants tries once, in this order.
    """
    clocks, now, sent = Clocks(), 0.0, []
    wants: set[Priority] = set()
    while now < seconds:
        for at in [at for at in wanted if at <= now]:
            wants = wanted.pop(at)
        waits = [seconds - now]
        for kind in order:
            if kind in wants:
                clocks, wait = take(clocks, kind, now, rate)
                if wait == 0.0:
                    sent.append((now, kind))
                waits.append(wait)
        now += min([*waits, *(at - now for at in wanted)])
        now += 1e-9 if min(waits) > 0 else 0.0
    return sent


@given(
    rate=RATES,
    order=st.permutations(list(Priority)),
    changes=st.dictionaries(st.floats(0, 60), KINDS, min_size=1, max_size=6),
)
def test_no_span_holds_more_than_the_rate(
    rate: float, order: list[Priority], changes: dict[float, set[Priority]]
) -> None:
    sent = run(dict(changes), rate, 80.0, order)
    times = [at for at, _ in sent]
    for first in range(0, len(times), max(len(times) // 20, 1)):
        for last in range(first, len(times), max(len(times) // 20, 1)):
            span = times[last] - times[first]
            assert last - first + 1 <= rate * span + most_at_once() + 1e-6


@given(rate=RATES, order=st.permutations(list(Priority)), kinds=KINDS)
def test_each_kind_that_wants_has_its_share_and_all_is_used(
    rate: float, order: list[Priority], kinds: set[Priority]
) -> None:
    seconds = 200 / rate
    counts = Counter(kind for _, kind in run({0.0: set(kinds)}, rate, seconds, order))
    for kind in kinds:
        assert counts[kind] >= SHARES[kind].part * rate * seconds - 1
    # Less one: what is due at the very end.
    assert counts.total() >= rate * seconds - 1


@given(rate=RATES, flood=st.sampled_from(list(Priority)), late=st.sampled_from(list(Priority)))
def test_whoever_comes_after_a_flood_waits_for_its_own_share_only(
    rate: float, flood: Priority, late: Priority
) -> None:
    clocks, now = Clocks(), 0.0
    for _ in range(300):
        clocks, wait = take(clocks, flood, now, rate)
        now += wait
    if late is not flood:
        assert take(clocks, late, now, rate)[1] == 0.0
    assert take(clocks, late, now + 1 / (rate * SHARES[late].part) + 1e-6, rate)[1] == 0.0


def test_a_pause_holds_all_but_hang_ups_and_admins() -> None:
    clocks = pause(pause(Clocks(), 7.0, 100.0), 2.0, 101.0)
    for kind in Priority:
        wait = take(clocks, kind, 102.0, 1.4)[1]
        assert wait == (0.0 if kind in (Priority.HANGUP, Priority.ADMIN) else 5.0)
        assert take(clocks, kind, 107.0, 1.4)[1] == 0.0


def test_shares_are_parts_of_one() -> None:
    assert set(SHARES) == set(Priority)
    assert abs(sum(share.part for share in SHARES.values()) - 1) < 1e-9
    assert all(share.burst >= 1 and share.borrows >= 1 for share in SHARES.values())
