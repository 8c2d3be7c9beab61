"""Threads of policies that compute without end are found and interrupted; others are left alone."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from policies import AccessRequest, Verdict, abstain
from policies.host.isolation import Evaluate
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies.evaluation import Evaluator
from service.access.policies.watching.busy_threads import MOST_OWN_THREADS, BusyThreads
from service.access.policies.watching.watchdog import LoopWatchdog

LOOK_SECONDS = 0.3


def evaluate(_request: AccessRequest) -> Verdict:
    """Computes until it is interrupted."""
    while True:
        pass


def sleep(_request: AccessRequest) -> Verdict:
    time.sleep(60)
    return abstain()


GOING, RELEASED = threading.Event(), threading.Event()


def wait(_request: AccessRequest) -> Verdict:
    """What the threads of a plugin run that never end by themselves."""
    GOING.wait(60)
    return abstain()


@pytest.fixture(autouse=True)
def turns() -> Iterator[None]:
    """The length of turns is put back."""
    seconds = sys.getswitchinterval()
    yield
    sys.setswitchinterval(seconds)


def run(evaluate: Evaluate, looks: int) -> tuple[list[list[str]], threading.Thread]:
    """What at most so many looks find while a thread runs the policy, which they interrupt."""
    policy = RegisteredPolicy("spinning", 50, evaluate, "third-party", "1")
    threads = BusyThreads(LoopWatchdog([Evaluator(policy)]).policies_of)
    spared = {threading.get_ident()}

    def work() -> None:
        with suppress(SystemExit):
            evaluate(request())

    thread = threading.Thread(target=work, daemon=True)
    threads.look(LOOK_SECONDS, spared)
    thread.start()
    found = []
    for _ in range(looks):
        time.sleep(LOOK_SECONDS)
        busy = threads.look(LOOK_SECONDS, spared)
        found.append([one.policy.name for each in busy for one in each.evaluators])
        for each in busy:
            threads.interrupt(each)
        if busy:
            break
    return found, thread


@pytest.mark.alone
def test_a_thread_that_computes_is_interrupted() -> None:
    # Other work on the machine may leave the thread less than it takes to be noticed.
    found, thread = run(evaluate, 60)
    assert found[0] == []
    assert found[-1] == ["spinning"]
    thread.join(5)
    assert not thread.is_alive()
    assert sys.getswitchinterval() < 0.005


def test_a_thread_that_waits_is_left_alone() -> None:
    found, thread = run(sleep, 3)
    assert found == [[], [], []]
    assert thread.is_alive()


def test_threads_that_pile_up_are_named_and_their_policy_is_suspended() -> None:
    policy = Evaluator(RegisteredPolicy("leaking", 50, wait, "third-party", "1"))
    watchdog = LoopWatchdog([policy])
    watchdog.loop = asyncio.new_event_loop()
    for count, named in ((10, []), (MOST_OWN_THREADS, ["leaking"])):
        for _ in range(count):
            threading.Thread(target=wait, args=(request(),), daemon=True).start()
        watchdog.look_for_piles()
        assert list(watchdog.piles) == named
    watchdog.loop.call_soon(watchdog.loop.stop)
    watchdog.loop.run_forever()
    assert policy.health.suspended
    GOING.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(0.2)
    watchdog.look_for_piles()
    assert watchdog.piles == {}
    watchdog.loop.close()


def leave_threads(_request: AccessRequest) -> Verdict:
    """Starts threads that run nothing of the policy."""
    for _ in range(MOST_OWN_THREADS):
        threading.Thread(target=RELEASED.wait, args=(60,), daemon=True).start()
    return abstain()


def leave_pool(_request: AccessRequest) -> Verdict:
    """Leaves the workers of a pool behind."""
    pool = ThreadPoolExecutor(MOST_OWN_THREADS)
    for _ in range(MOST_OWN_THREADS):
        pool.submit(RELEASED.wait, 60)
    return abstain()


@pytest.mark.parametrize("evaluate", [leave_threads, leave_pool])
def test_threads_are_named_by_the_policy_that_started_them(evaluate: Evaluate) -> None:
    RELEASED.clear()
    policies = [
        Evaluator(RegisteredPolicy(name, 50, function, "third-party", "1"))
        for name, function in (("leaking", evaluate), ("other", wait))
    ]
    watchdog = LoopWatchdog(policies)
    try:
        evaluate(request())
        threading.Thread(target=RELEASED.wait, args=(60,), daemon=True).start()
        watchdog.look_for_piles()
        assert watchdog.piles == {}
        evaluate(request())
        watchdog.look_for_piles()
        assert watchdog.piles == {"leaking": 2 * MOST_OWN_THREADS}
    finally:
        RELEASED.set()
