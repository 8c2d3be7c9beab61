"""What blocks the event loop is named at once, and suspended when the loop is back."""

import asyncio
import functools
import time
from types import FunctionType
from typing import Any

import pytest
import structlog

from policies import AccessRequest, Verdict, abstain
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies.chain import AccessChain
from service.access.policies.conditions import list_ailing, list_blockages
from service.access.policies.watching.thread_starts import LISTENING
from service.access.policies.watching.watchdog import LoopWatchdog


async def block(_request: AccessRequest) -> Verdict:
    time.sleep(0.7)  # noqa: ASYNC251 - what the watchdog is for
    return abstain()


async def spin(_request: AccessRequest) -> Verdict:
    ends_at = time.monotonic() + 0.7
    while time.monotonic() < ends_at:
        pass
    return abstain()


async def watched(
    evaluate: Any, calls: int = 1, **given: Any
) -> tuple[AccessChain, LoopWatchdog, list[Any]]:
    """So many decisions at once with a policy, under the watchdog."""
    chain = AccessChain([RegisteredPolicy("odd", 50, evaluate, "stranger", "1", **given)])
    watchdog = LoopWatchdog(chain.evaluators)
    session = asyncio.create_task(watchdog.session())
    with structlog.testing.capture_logs() as logs:
        await asyncio.sleep(0.2)
        await asyncio.gather(*(chain.decide(request(), basis="fresh") for _ in range(calls)))
        await asyncio.sleep(0.3)
    session.cancel()
    return chain, watchdog, logs


async def test_a_sleep_in_an_async_policy_is_named_and_suspended() -> None:
    for evaluate in (block, spin):
        chain, watchdog, logs = await watched(evaluate)
        events = [(entry["event"], entry.get("policy")) for entry in logs]
        assert ("event_loop.blocked", "odd") in events
        assert ("event_loop.released", "odd") in events
        assert events.index(("event_loop.blocked", "odd")) < events.index(
            ("event_loop.released", "odd")
        )
        assert chain.describe()[0].health.suspended
        assert 0.5 < watchdog.seconds < 5
        assert [one.kind for one in list_ailing(chain)] == ["policy_suspended"]
        (found,) = list_blockages(watchdog)
        assert "the policy odd" in found.text


async def block_for(seconds: float, _request: AccessRequest) -> Verdict:
    time.sleep(seconds)  # noqa: ASYNC251
    return abstain()


class Blocking:
    """A policy's `evaluate` as an object."""

    async def __call__(self, given: AccessRequest) -> Verdict:
        return await block(given)


@functools.singledispatch
def sleep_for(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize(
    "evaluate",
    [
        functools.partial(block_for, 0.7),
        functools.partial(functools.partial(block_for), 0.7),
        Blocking(),
    ],
)
async def test_partials_and_objects_that_block_are_named(evaluate: Any) -> None:
    chain, watchdog, _ = await watched(evaluate)
    latest = watchdog.latest()
    assert latest is not None
    assert latest.policy == "odd"
    assert chain.describe()[0].health.suspended
    assert list(watchdog.codes.values()) == list(chain.evaluators)


async def test_a_wrapped_policy_is_not_suspended_for_what_others_wrap_alike() -> None:
    rule = FunctionType(block.__code__, {"__name__": "stranger.rules"})
    borrowed = FunctionType(block.__code__, {"__name__": "functools"})
    chain = AccessChain(
        [
            RegisteredPolicy(name, 50, evaluate, "stranger", "1")
            for name, evaluate in (("odd", functools.partial(rule)), ("other", borrowed))
        ]
    )
    watchdog = LoopWatchdog(chain.evaluators)
    session = asyncio.create_task(watchdog.session())
    await asyncio.sleep(0.2)
    sleep_for(0.6)
    await asyncio.sleep(0.2)
    session.cancel()
    latest = watchdog.latest()
    assert latest is not None
    assert latest.policy is None
    assert not any(one.health.suspended for one in chain.describe())


async def test_an_answer_that_was_under_way_ends_no_suspension() -> None:
    asked: list[AccessRequest] = []

    async def block_once(given: AccessRequest) -> Verdict:
        asked.append(given)
        if len(asked) == 1:
            time.sleep(0.7)  # noqa: ASYNC251
        await asyncio.sleep(0.5)
        return abstain()

    chain, watchdog, _ = await watched(block_once, calls=2, timeout_seconds=2.0)
    assert (watchdog.count, len(asked)) == (1, 2)
    health = chain.describe()[0].health
    assert (health.suspended, health.abstained) == (True, 2)


async def test_what_is_no_policy_is_named_by_its_module() -> None:
    watchdog = LoopWatchdog([])
    session = asyncio.create_task(watchdog.session())
    await asyncio.sleep(0.2)
    time.sleep(0.6)  # noqa: ASYNC251
    await asyncio.sleep(0.2)
    session.cancel()
    latest = watchdog.latest()
    assert latest is not None
    assert latest.policy is None
    assert latest.where.startswith(f"{__name__}:test_what_is_no_policy")


async def test_a_policy_in_a_thread_blocks_nothing() -> None:
    def slow(_request: AccessRequest) -> Verdict:
        time.sleep(0.4)
        return abstain()

    chain, watchdog, _ = await watched(slow)
    assert watchdog.count == 0
    assert not chain.describe()[0].health.suspended


async def test_starts_of_threads_are_noted_as_long_as_a_watchdog_may_need_them() -> None:
    """Each of those that listen looks through the stack of whatever starts a thread."""
    ours = LoopWatchdog(AccessChain([]).evaluators)
    theirs = LoopWatchdog(AccessChain([RegisteredPolicy("odd", 50, abstains, "x", "1")]).evaluators)
    assert theirs.threads.starts in LISTENING
    for _ in range(2):
        session = asyncio.create_task(theirs.session())
        await asyncio.sleep(0.01)
        assert theirs.threads.starts in LISTENING
        session.cancel()
        await asyncio.wait({session})
        assert theirs.threads.starts not in LISTENING
    session = asyncio.create_task(ours.session())
    await asyncio.sleep(0.01)
    assert ours.threads.starts not in LISTENING
    session.cancel()


def abstains(_request: AccessRequest) -> Verdict:
    return abstain()
