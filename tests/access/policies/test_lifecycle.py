"""A start and a stop of any kind: what is wrong with one stays with its policy."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from policies import PolicyContext, Verdict, abstain
from policies.host.lifecycle import start_policy, stop_policy
from policies.host.registration import RegisteredPolicy, fit_policy


def fit(**given: Any) -> RegisteredPolicy:
    def evaluate(_request: object) -> Verdict:
        return abstain()

    odd = SimpleNamespace(name="odd", order=50, evaluate=evaluate, **given)
    return fit_policy(odd, "stranger", "1")


async def takes_nothing() -> None:
    return


async def takes_two(_first: object, _second: object) -> None:
    return


def leave(*_given: object) -> None:
    raise SystemExit(3)


async def leave_async(*_given: object) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("function", [takes_nothing, leave, leave_async])
async def test_a_start_that_cannot_be_called_is_its_own_failure(
    function: Callable[..., Any],
) -> None:
    assert await start_policy(fit(start=function)) is not None


@pytest.mark.parametrize("function", [takes_two, leave, leave_async])
async def test_a_stop_that_cannot_be_called_is_its_own_failure(
    function: Callable[..., Any],
) -> None:
    assert await stop_policy(fit(stop=function)) is not None


async def swallow(*_given: object) -> None:
    for _ in range(20):
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            continue


async def test_what_swallows_its_cancellation_is_left_behind() -> None:
    """A closing event loop would wait for it."""
    odd = fit(start=swallow, stop=swallow)
    assert await start_policy(odd, 0.1) == await stop_policy(odd, 0.1) == "it took over 0.1 s"
    starting = asyncio.create_task(start_policy(odd))
    await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.wait({starting})
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_plain_function_around_an_async_one_is_awaited() -> None:
    loops: list[object] = []

    async def note() -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    def start(_context: PolicyContext) -> object:
        return note()

    def stop() -> object:
        return note()

    odd = fit(start=start, stop=stop)
    assert await start_policy(odd) is None
    assert await stop_policy(odd) is None
    assert loops == [asyncio.get_running_loop()] * 2
