"""Starts and stops policies that have something to start. Each has a deadline; one whose start fails is
left out of the chain, and no failure reaches the service."""

import asyncio
from collections.abc import Sequence

import structlog

from policies.host.lifecycle import START_SECONDS, STOP_SECONDS, start_policy, stop_policy
from service.access.policies.evaluation import Evaluator
from service.access.policies.plugins import PluginProblem

log = structlog.get_logger()


async def start_policies(
    evaluators: Sequence[Evaluator], *, seconds: float = START_SECONDS
) -> list[tuple[Evaluator, PluginProblem]]:
    """Start all that have a `start`, at once; those that failed, with why."""
    starting = [one for one in evaluators if one.policy.start is not None]
    for one in starting:
        log.info("policy.starting", policy=one.policy.name, plugin=one.policy.plugin)
    results = await asyncio.gather(*(start_policy(one.policy, seconds) for one in starting))
    failed = []
    for evaluator, error in zip(starting, results, strict=True):
        if error is not None:
            policy = evaluator.policy
            message = f"{policy.name}: its start failed: {error}"
            log.error("policy.not_started", policy=policy.name, plugin=policy.plugin, error=error)
            failed.append((evaluator, PluginProblem(policy.plugin, policy.version, message)))
    return failed


async def stop_policies(evaluators: Sequence[Evaluator], *, seconds: float = STOP_SECONDS) -> None:
    """Stop all that have a `stop`, at once."""
    stopping = [one.policy for one in evaluators if one.policy.stop is not None]
    results = await asyncio.gather(*(stop_policy(policy, seconds) for policy in stopping))
    for policy, error in zip(stopping, results, strict=True):
        if error is not None:
            log.warning("policy.not_stopped", policy=policy.name, error=error)
