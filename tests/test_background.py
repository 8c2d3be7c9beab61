"""Background loops: restarted after they die, reported while they are down, never silently gone."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from service.background import LONGEST_PAUSE_SECONDS, Background, BackgroundLoop, LoopStatus


class OutageError(OSError):
    """An outage of the thing that a loop works with."""


class Work:
    """A turn that a test can break, block and count."""

    def __init__(self) -> None:
        self.turns = 0
        self.error: BaseException | None = None
        self.going_on = asyncio.Event()
        self.going_on.set()

    async def __call__(self) -> None:
        self.turns += 1
        await self.going_on.wait()
        if self.error is not None:
            raise self.error


async def until(check: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.002)


Start = Callable[[BackgroundLoop], Awaitable[BackgroundLoop]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[BackgroundLoop] = []

    async def start(loop: BackgroundLoop) -> BackgroundLoop:
        started.append(loop)
        loop.start()
        await asyncio.sleep(0)
        return loop

    yield start
    for loop in started:
        await loop.stop()


def status(loop: BackgroundLoop) -> LoopStatus:
    return loop.state.status


async def test_a_turn_that_raises_is_reported_and_restarted(start: Start) -> None:
    work = Work()
    loop = await start(BackgroundLoop("work", work, interval=0.01, first_pause=0.05))
    running_since = loop.state.since
    work.error = ValueError("cg_a-secret")
    await until(lambda: status(loop) == "restarting")
    down = loop.state
    assert (down.last_error, down.since > running_since) == ("ValueError", True)
    assert "secret" not in repr(down)
    await until(lambda: loop.restarts >= 2)
    work.error = None
    await until(lambda: status(loop) == "running")
    turns = work.turns
    await until(lambda: work.turns > turns + 2)
    assert loop.state.last_error == "ValueError"
    assert loop.state.since > down.since


async def test_the_pause_doubles_after_faults_and_stays_after_outages() -> None:
    loop = BackgroundLoop("work", Work(), outages=(OutageError,), first_pause=0.5)
    assert [loop.note_failure(ValueError()) for _ in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert loop.note_failure(OutageError()) == 0.5
    for _ in range(1100):
        pause = loop.note_failure(ValueError())
    assert pause == LONGEST_PAUSE_SECONDS
    loop.note_success()
    assert loop.note_failure(ValueError()) == 0.5


async def test_a_wake_up_ends_the_rest_but_not_the_pause(start: Start) -> None:
    work = Work()
    loop = await start(BackgroundLoop("work", work, interval=math.inf, first_pause=0.2))
    await until(lambda: work.turns == 1)
    await asyncio.sleep(0.02)
    assert work.turns == 1
    work.error = ValueError()
    loop.wake.set()
    await until(lambda: status(loop) == "restarting")
    work.error = None
    loop.wake.set()
    await asyncio.sleep(0.05)
    assert (work.turns, status(loop)) == (2, "restarting")
    await until(lambda: status(loop) == "running")
    assert work.turns == 3


async def test_a_wake_up_during_a_turn_is_not_lost(start: Start) -> None:
    work = Work()
    work.going_on.clear()
    loop = await start(BackgroundLoop("work", work, interval=math.inf))
    await until(lambda: work.turns == 1)
    loop.wake.set()
    work.going_on.set()
    await until(lambda: work.turns == 2)


async def test_a_turn_says_when_the_next_one_is_due(start: Start) -> None:
    turns = 0

    async def turn() -> float:
        nonlocal turns
        turns += 1
        return 0.0 if turns < 5 else math.inf

    await start(BackgroundLoop("work", turn, interval=math.inf))
    await until(lambda: turns == 5)
    await asyncio.sleep(0.02)
    assert turns == 5


async def test_a_session_is_healthy_again_only_after_it_has_lasted(start: Start) -> None:
    work = Work()
    work.error = OutageError()
    loop = await start(
        BackgroundLoop("session", work, outages=(OutageError,), healthy_after=0.1, first_pause=0.01)
    )
    await until(lambda: loop.restarts > 0)
    work.error = None
    work.going_on.clear()
    before = work.turns
    await until(lambda: work.turns > before)
    assert status(loop) == "restarting"
    await until(lambda: status(loop) == "running")


async def test_a_stop_during_the_pause_ends_the_loop_at_once(start: Start) -> None:
    work = Work()
    work.error = ValueError()
    loop = await start(BackgroundLoop("work", work, first_pause=60))
    await until(lambda: status(loop) == "restarting")
    async with asyncio.timeout(1):
        await loop.stop()
    assert (status(loop), work.turns, loop.restarts) == ("stopped", 1, 0)


async def test_a_cancellation_is_not_a_death(start: Start) -> None:
    work = Work()
    work.going_on.clear()
    loop = await start(BackgroundLoop("work", work))
    await until(lambda: work.turns == 1)
    await loop.stop()
    assert (status(loop), loop.restarts, loop.last_error) == ("stopped", 0, "")


async def test_a_cancelled_part_of_a_turn_does_not_end_the_loop(start: Start) -> None:
    """A turn that awaits a task of another is not gone when that task is cancelled."""
    work = Work()
    work.error = asyncio.CancelledError()
    loop = await start(BackgroundLoop("work", work, interval=0.01, first_pause=0.01))
    await until(lambda: loop.restarts > 0)
    work.error = None
    await until(lambda: status(loop) == "running")
    assert loop.last_error == "CancelledError"


async def test_a_loop_that_ends_unasked_is_reported_as_stopped(start: Start) -> None:
    """Never silently gone, even if its task is cancelled behind our back."""
    background = Background()
    background.add([BackgroundLoop("work", Work(), interval=math.inf)])
    background.start()
    await until(lambda: background.states()[0].status == "running")
    task = background.loops["work"].task
    assert task is not None
    task.cancel()
    await until(lambda: background.states()[0].status == "stopped")


async def test_a_turn_that_is_asked_to_finish_completes_its_work(start: Start) -> None:
    work, done = Work(), []
    work.going_on.clear()

    async def turn() -> None:
        await work()
        await asyncio.sleep(0.02)
        done.append("finished")

    loop = await start(BackgroundLoop("work", turn, finish=work.going_on.set))
    await until(lambda: work.turns == 1)
    await loop.stop()
    assert (done, work.turns, status(loop)) == (["finished"], 1, "stopped")


async def test_a_turn_that_does_not_finish_in_time_is_cancelled(start: Start) -> None:
    work = Work()
    work.going_on.clear()
    loop = await start(BackgroundLoop("work", work, finish=lambda: None))
    await until(lambda: work.turns == 1)
    async with asyncio.timeout(1):
        await loop.stop(patience=0.05)
    assert status(loop) == "stopped"


async def test_loops_of_two_replicas_know_nothing_of_each_other() -> None:
    good, bad = Work(), Work()
    bad.error = ValueError()
    replicas = []
    for work in (good, bad):
        background = Background()
        background.add([BackgroundLoop("work", work, interval=0.01, first_pause=60)])
        background.start()
        replicas.append(background)
    await until(lambda: replicas[1].states()[0].status == "restarting")
    await until(lambda: good.turns > 3)
    assert replicas[0].states()[0].status == "running"
    for background in replicas:
        await background.stop()
    assert [one.states()[0].status for one in replicas] == ["stopped", "stopped"]


async def test_a_name_exists_once() -> None:
    background = Background()
    background.add([BackgroundLoop("work", Work())])
    with pytest.raises(ValueError, match="work"):
        background.add([BackgroundLoop("work", Work())])
