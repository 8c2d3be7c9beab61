"""Metrics of a policy: each evaluation counts once, in bounded memory, without slowing it down."""

import time
from typing import Any

from policies import abstain, allow, deny
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies import health as policy_health
from service.access.policies.chain import AccessChain
from service.access.policies.health import PolicyMetrics
from service.access.policies.info import PolicyInfo


async def asked(times: int, *answers: Any, **given: Any) -> PolicyInfo:
    """A policy evaluated once for each of these answers, in order."""
    left = list(answers)

    def evaluate(_request: Any) -> Any:
        answer = left.pop(0) if left else abstain()
        if isinstance(answer, Exception):
            raise answer
        return answer

    chain = AccessChain([RegisteredPolicy("odd", 1, evaluate, "stranger", "2", **given)])
    for _ in range(times):
        await chain.decide(request(), basis="fresh")
    (info,) = chain.describe()
    return info


async def test_before_the_first_question_there_are_no_times() -> None:
    info = await asked(0)
    assert (info.health.asked, info.health.p50_ms, info.health.last_failure) == (0, None, None)


async def test_each_answer_is_counted_once() -> None:
    answers = (allow("a"), deny("d"), deny("d"), abstain(), ValueError("secret"), "nonsense")
    info = await asked(6, *answers, pure=True, on_failure="deny")
    health = info.health
    assert (health.asked, health.allowed, health.denied, health.abstained) == (6, 1, 2, 1)
    assert (health.failed, health.late, health.suspended) == (2, 0, False)
    assert health.last_failure == "no_verdict"
    assert health.last_failed_at is not None
    assert health.p50_ms is not None
    assert health.p95_ms is not None
    assert health.p50_ms <= health.p95_ms


async def test_a_late_policy_is_told_from_a_broken_one() -> None:
    def hang(_request: Any) -> Any:
        time.sleep(0.3)
        return allow("late")

    slow = RegisteredPolicy("slow", 1, hang, "stranger", "1", timeout_seconds=0.05)
    chain = AccessChain([slow])
    await chain.decide(request(), basis="fresh")
    health = chain.describe()[0].health
    assert (health.failed, health.late, health.last_failure) == (1, 1, "late")
    assert health.p95_ms is not None
    assert health.p95_ms >= 50


async def test_a_policy_that_keeps_failing_is_shown_as_suspended() -> None:
    info = await asked(6, *[ValueError()] * 5, pure=True)
    assert info.health.suspended
    assert (info.health.failed, info.health.last_failure) == (6, "breaker_open")


def test_memory_is_bounded() -> None:
    metrics = PolicyMetrics()
    for number in range(policy_health.REMEMBERED * 3):
        metrics.record_verdict(allow("x").effect, float(number))
    health = metrics.read(suspended=False)
    assert len(metrics.times) == policy_health.REMEMBERED
    assert health.asked == policy_health.REMEMBERED * 3
    assert (health.p50_ms, health.p95_ms) == (2500, 2950)
