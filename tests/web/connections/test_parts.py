"""The parts of the doors: budgets of bytes, the turnstile, answers kept for a moment, the log."""

import asyncio
import json
from itertools import pairwise

import pytest

from service.log import configure_logging
from service.web.connections.budget import MIB, SMALL, BodyBudgets, BudgetSpentError
from service.web.connections.refusals import RefusalLog
from service.web.connections.turnstile import Turnstile
from service.web.kept import Kept


def test_large_bodies_of_unproved_senders_leave_room_for_small_and_for_known_ones() -> None:
    budgets = BodyBudgets(4 * MIB, 4 * MIB)
    with budgets.holding("none") as first, budgets.holding("none") as second:
        first.grow(3 * MIB)
        with pytest.raises(BudgetSpentError):
            second.grow(2 * MIB)
        second.grow(SMALL)
        with budgets.holding("address") as known, budgets.holding("connection") as proved:
            known.grow(3 * MIB // 2)
            with pytest.raises(BudgetSpentError):
                known.grow(1)
            proved.grow(10 * MIB)
    assert all(budget.held == 0 for pair in budgets.of.values() for budget in pair)


def test_a_body_that_grows_moves_from_the_small_to_the_large_budget() -> None:
    budgets = BodyBudgets()
    small, large = budgets.of["none"]
    with budgets.holding("none") as holding:
        holding.grow(SMALL)
        assert (small.held, large.held) == (SMALL, 0)
        holding.grow(1)
        assert (small.held, large.held) == (0, SMALL + 1)
    assert (small.held, large.held) == (0, 0)


def test_a_body_of_the_largest_size_fits_once() -> None:
    with BodyBudgets(MIB, 32 * MIB).holding("none") as holding:
        for _ in range(32):
            holding.grow(MIB)


async def test_a_round_lets_in_a_few_and_urgent_work_has_places_of_its_own() -> None:
    turnstile = Turnstile(urgent_a_round=2, others_a_round=1)
    entered = list[tuple[int, bool]]()
    rounds = 0

    def enter(urgent: bool) -> None:
        turnstile.enter(lambda: entered.append((rounds, urgent)), urgent=urgent)

    for _ in range(5):
        enter(False)
    for _ in range(4):
        enter(True)
    while turnstile.waiting:
        await asyncio.sleep(0)
        rounds += 1
    assert [at for at, urgent in entered if not urgent] == [0, *range(4)]
    urgent = [at for at, urgent in entered if urgent]
    assert urgent[:2] == [0, 0]
    assert len(urgent) == 4
    assert all(later - earlier <= 1 for earlier, later in pairwise(urgent))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not turnstile.turning


async def test_a_turn_that_nothing_waits_for_any_more_is_skipped() -> None:
    turnstile = Turnstile(urgent_a_round=1, others_a_round=1)
    waiting = [asyncio.create_task(turnstile.wait(urgent=False)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.wait_for(waiting[2], 1)


async def test_many_who_ask_at_once_cost_one_reading() -> None:
    readings = 0

    async def read() -> int:
        nonlocal readings
        readings += 1
        await asyncio.sleep(0.01)
        return readings

    kept = Kept(read, seconds=30)
    assert await asyncio.gather(*(kept.get() for _ in range(20))) == [1] * 20
    assert await kept.get() == 1
    kept.read_at -= 31
    assert await kept.get() == 2


async def test_an_asker_who_leaves_does_not_end_the_reading_of_the_others() -> None:
    reading = asyncio.Event()

    async def read() -> str:
        await reading.wait()
        return "read"

    kept = Kept(read)
    first, second = asyncio.create_task(kept.get()), asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    first.cancel()
    reading.set()
    assert await second == "read"


@pytest.mark.usefixtures("own_logging")
async def test_refusals_are_one_line_an_event_with_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(style="json", level="INFO")
    refusals = RefusalLog()
    for number in range(300):
        refusals.note("webhook.refused", "The webhook secret is wrong.", f"192.0.2.{number}")
    refusals.note("connection.refused", "total", "192.0.2.1")
    refusals.flush()
    refusals.flush()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["webhook.refused", "connection.refused"]
    assert lines[0]["count"] == 300
    assert lines[0]["reasons"] == {"The webhook secret is wrong.": 300}
    assert len(lines[0]["addresses"]) == 5
