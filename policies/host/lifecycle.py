"""Runs a policy's `start` and `stop`, each with a deadline."""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial

from policies.contract import PolicyContext
from policies.host.isolation import contained, leave_behind
from policies.host.loading import readable, run_beside
from policies.host.registration import RegisteredPolicy

START_SECONDS = 10.0
STOP_SECONDS = 3.0


async def start_policy(policy: RegisteredPolicy, seconds: float = START_SECONDS) -> str | None:
    """Start one policy; what went wrong, as a line."""
    if policy.start is None:
        return None
    settings = policy.settings and policy.settings.default
    work = partial(policy.start, PolicyContext(policy.name, settings))
    return await run(work, seconds, is_async=inspect.iscoroutinefunction(policy.start))


async def stop_policy(policy: RegisteredPolicy, seconds: float = STOP_SECONDS) -> str | None:
    """Stop one policy; what went wrong, as a line."""
    if policy.stop is None:
        return None
    return await run(policy.stop, seconds, is_async=inspect.iscoroutinefunction(policy.stop))


async def run(work: Callable[[], object], seconds: float, *, is_async: bool) -> str | None:
    """Call a plugin's function for so many seconds; what went wrong, as a line."""
    task = asyncio.create_task(contained(called(work, is_async=is_async)))
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            leave_behind(task)
    if not task.done():
        return f"it took over {seconds:g} s"
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return None if error is None else readable(error)


async def called(work: Callable[[], object], *, is_async: bool) -> object:
    """Call it, in a thread unless it is a coroutine function, and await what is to be awaited: a plain
    function may wrap one that is async. Raises what it raises."""
    given = work() if is_async else await run_beside(work)
    return await given if inspect.isawaitable(given) else given
