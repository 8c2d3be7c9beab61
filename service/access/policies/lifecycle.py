"""Starts and stops policies that have something to start. Each has a deadline; one whose start fails is
left out of the chain, and no failure reaches the service."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

import structlog

from policies.contract import PolicyContext
from service.access.policies.evaluation import Evaluator
from service.access.policies.isolation import contained
from service.access.policies.loading import run_beside
from service.access.policies.plugins import PluginProblem, readable

START_SECONDS = 10.0
STOP_SECONDS = 3.0

log = structlog.get_logger()


async def start_policies(
    evaluators: Sequence[Evaluator], *, seconds: float = START_SECONDS
) -> list[tuple[Evaluator, PluginProblem]]:
    """Start all that have a `start`, at once; those that failed, with why."""
    starting = [one for one in evaluators if one.policy.start is not None]
    results = await asyncio.gather(*(start(one, seconds) for one in starting))
    failed = []
    for evaluator, error in zip(starting, results, strict=True):
        if error is not None:
            policy = evaluator.policy
            message = f"{policy.name}: its start failed: {error}"
            log.error("policy.not_started", policy=policy.name, plugin=policy.plugin, error=error)
            failed.append((evaluator, PluginProblem(policy.plugin, policy.version, message)))
    return failed


async def start(evaluator: Evaluator, seconds: float) -> str | None:
    """Start one policy; what went wrong, as a line."""
    policy = evaluator.policy
    if policy.start is None:
        return None
    log.info("policy.starting", policy=policy.name, plugin=policy.plugin)
    settings = policy.settings and policy.settings.default
    work = partial(policy.start, PolicyContext(policy.name, settings))
    return await run(work, seconds, is_async=inspect.iscoroutinefunction(policy.start))


async def stop_policies(evaluators: Sequence[Evaluator], *, seconds: float = STOP_SECONDS) -> None:
    """Stop all that have a `stop`, at once."""
    stopping = [one.policy for one in evaluators if one.policy.stop is not None]
    results = await asyncio.gather(
        *(
            run(policy.stop, seconds, is_async=inspect.iscoroutinefunction(policy.stop))
            for policy in stopping
            if policy.stop is not None
        )
    )
    for policy, error in zip(stopping, results, strict=True):
        if error is not None:
            log.warning("policy.not_stopped", policy=policy.name, error=error)


async def run(work: Callable[[], object], seconds: float, *, is_async: bool) -> str | None:
    """Call a plugin's function, in a thread unless it is a coroutine function, for so many seconds."""
    call = contained(cast("Awaitable[object]", work())) if is_async else run_beside(work)
    task = asyncio.ensure_future(call)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
        return f"it took over {seconds:g} s"
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return None if error is None else readable(error)
