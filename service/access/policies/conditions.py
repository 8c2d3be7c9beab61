"""The conditions of policies: what was not loaded, and which policies keep failing, hang or are slow."""

from collections.abc import Iterable, Iterator

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PluginProblem
from service.access.policies.watching.watchdog import LoopWatchdog
from service.domain.conditions import Condition, condition


def list_unloaded(problems: Iterable[PluginProblem], missing: Iterable[str]) -> Iterator[Condition]:
    """Plugins that could not be loaded or started, and required policies that are missing."""
    for problem in problems:
        yield condition("plugin_not_loaded", plugin=problem.plugin, message=problem.message)
    for name in missing:
        yield condition("policy_missing", policy=name)


def list_ailing(chain: AccessChain) -> Iterator[Condition]:
    """Policies that are suspended, stuck or slow, in the order of the chain."""
    for evaluator in chain.evaluators:
        health, name = evaluator.health, evaluator.policy.name
        if health.suspended:
            yield condition("policy_suspended", policy=name)
        if evaluator.own_settings is not None and (count := evaluator.own_settings.count_refused()):
            yield condition("policy_settings_refused", policy=name, organizations=count)
        if health.stuck:
            yield condition("policy_stuck", policy=name, evaluations=health.stuck)
        elif health.slow and not health.suspended:
            p95 = "—" if health.p95_ms is None else f"{health.p95_ms:.0f}"
            yield condition("policy_slow", policy=name, p95=p95)


def list_blockages(watchdog: LoopWatchdog) -> Iterator[Condition]:
    """What blocked the event loop in the last minutes, or made it wait for its turn, and whose threads
    pile up."""
    latest = watchdog.latest()
    if latest is not None:
        culprit = f"the policy {latest.policy}" if latest.policy else latest.where
        yield condition("event_loop_blocked", culprit=culprit, seconds=f"{latest.seconds:.1f}")
    computing = watchdog.latest_computing()
    if computing is not None:
        yield condition("policy_computing", policy=computing.policy)
    for name, threads in watchdog.piles.items():
        yield condition("policy_threads_pile_up", policy=name, threads=threads)
