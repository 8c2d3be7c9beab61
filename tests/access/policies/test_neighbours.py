"""Policies beside each other: none uses up another's time, or changes what another decides by."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from policies import AccessRequest, Verdict, abstain, allow, deny
from policies.host import isolation
from policies.host.facts import copy_request
from policies.host.registration import RegisteredPolicy, fit_policy
from policies.plan import PlanPolicy
from policies.testing import samples
from service.access.policies.breaker import FAILURES
from service.access.policies.chain import AccessChain

FULL = samples()[1]


def policy(evaluate: Any, name: str = "odd", order: int = 50, **given: Any) -> RegisteredPolicy:
    return RegisteredPolicy(name, order, evaluate, "stranger", "1", **given)


def plan() -> RegisteredPolicy:
    return fit_policy(PlanPolicy(), "callgate", "1")


async def test_a_burst_is_not_lateness() -> None:
    """A hundred calls at once wait for eight threads: that is the host's time, not the policy's."""

    def slow(_request: AccessRequest) -> Verdict:
        time.sleep(0.05)
        return abstain()

    chain = AccessChain([policy(slow, on_failure="deny"), plan()])
    decisions = await asyncio.gather(*(chain.decide(FULL, basis="fresh") for _ in range(100)))
    assert {decision.reason for decision in decisions} == {"plan_active"}
    health = chain.describe()[0].health
    assert (health.asked, health.failed, health.suspended) == (100, 0, False)
    assert health.waited_p95_ms is not None
    assert health.waited_p95_ms > 200


async def test_slow_neighbours_do_not_use_up_the_time_of_a_fail_closed_policy() -> None:
    async def hang(_request: AccessRequest) -> Verdict:
        await asyncio.sleep(30)
        return abstain()

    async def ask(_request: AccessRequest) -> Verdict:
        await asyncio.sleep(0.01)
        return abstain()

    slow = [policy(hang, f"slow_{place}", place, timeout_seconds=1.2) for place in range(2)]
    careful = policy(ask, "careful", 90, on_failure="deny")
    began = time.monotonic()
    decision = await AccessChain([*slow, careful, plan()]).decide(FULL, basis="fresh")
    assert time.monotonic() - began < 1.8
    assert decision.reason == "plan_active"
    assert [entry.effect for entry in decision.trace] == ["failed", "failed", "abstain", "allow"]


async def test_a_stall_of_the_event_loop_is_not_lateness() -> None:
    """Five calls in flight while something else blocks the loop do not suspend a good policy."""

    async def ask(_request: AccessRequest) -> Verdict:
        for _ in range(4):
            await asyncio.sleep(0.02)
        return abstain()

    careful = policy(ask, "careful", 90, on_failure="deny", timeout_seconds=0.2)
    chain = AccessChain([careful, plan()])
    calls = [asyncio.create_task(chain.decide(FULL, basis="fresh")) for _ in range(FAILURES)]
    await asyncio.sleep(0.03)
    time.sleep(0.7)  # noqa: ASYNC251 - the stall
    await asyncio.gather(*calls)
    health = chain.describe()[0].health
    assert (health.late, health.suspended) == (FAILURES, False)
    assert (await chain.decide(FULL, basis="fresh")).reason == "plan_active"


async def test_what_is_never_reached_is_not_the_policys_failure() -> None:
    """Without a free thread in time the policy counts as it declares, and is not suspended."""

    def slow(_request: AccessRequest) -> Verdict:
        time.sleep(0.25)
        return abstain()

    chain = AccessChain([policy(slow, on_failure="deny"), plan()])
    chain.budget_seconds = 0.3
    decisions = await asyncio.gather(*(chain.decide(FULL, basis="fresh") for _ in range(40)))
    missed = [one for one in decisions if one.trace[0].reason == "not_reached"]
    assert missed
    assert all(one.reason == "policy_failed" for one in missed)
    health = chain.describe()[0].health
    assert not health.suspended


@pytest.mark.parametrize("stuck_in", ["threads", "tasks"])
async def test_what_stays_stuck_is_suspended_and_recovers(stuck_in: str) -> None:
    """Stuck evaluations count as failures: the policy is suspended, and probed until it answers."""
    released = threading.Event()

    def hang(_request: AccessRequest) -> Verdict:
        while not released.is_set():
            time.sleep(0.01)
        return abstain()

    async def swallow(_request: AccessRequest) -> Verdict:
        while not released.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
        return abstain()

    evaluate: Callable[..., Any] = hang if stuck_in == "threads" else swallow
    chain = AccessChain([policy(evaluate, timeout_seconds=0.05), plan()])
    evaluator = chain.evaluators[0]
    evaluator.breaker.pause = 0.2
    for _ in range(3):
        await asyncio.gather(*(chain.decide(FULL, basis="fresh") for _ in range(20)))
    health = chain.describe()[0].health
    assert health.suspended
    # Tasks of a burst all run at once; threads are eight.
    most = isolation.MAX_STUCK if stuck_in == "threads" else 20
    assert FAILURES <= health.stuck <= most + isolation.MAX_PROBES
    released.set()
    deadline = time.monotonic() + 8
    while evaluator.breaker.is_open and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        decision = await chain.decide(FULL, basis="fresh")
        assert decision.reason == "plan_active"
    health = chain.describe()[0].health
    assert (health.suspended, health.stuck) == (False, 0)


def damage(asked: AccessRequest) -> None:
    """Change every fact, as code can that insists."""
    assert asked.plan is not None
    assert asked.trial is not None
    object.__setattr__(asked.plan, "status", "canceled")
    object.__setattr__(asked.plan, "current_period_end", None)
    object.__setattr__(asked.organization.id, "int", 7)
    object.__setattr__(asked, "trial", None)


@pytest.mark.parametrize("pure", [True, False])
async def test_a_policy_that_changes_facts_harms_no_one(pure: bool) -> None:
    """Neither this decision nor the directory's objects change, and the trace names the culprit."""

    def change(asked: AccessRequest) -> Verdict:
        damage(asked)
        return abstain()

    def judge(asked: AccessRequest) -> Verdict:
        assert asked.plan is not None
        return deny("unpaid") if asked.plan.status == "canceled" else abstain()

    before = copy_request(FULL)
    chain = AccessChain(
        [
            policy(change, "changing", 10, pure=pure),
            policy(judge, "judging", 20, pure=pure),
            plan(),
        ]
    )
    decision = await chain.decide(FULL, basis="fresh")
    assert decision.reason == "plan_active"
    assert before == FULL
    assert [(entry.policy, entry.effect, entry.reason) for entry in decision.trace] == [
        ("changing", "failed", "changed_facts"),
        ("judging", "abstain", None),
        ("plan", "allow", "plan_active"),
    ]


async def test_asking_again_after_changed_facts_has_what_is_left_of_the_time() -> None:
    """Vapi waits for one answer, however often the policies are asked for it."""

    def change(asked: AccessRequest) -> Verdict:
        time.sleep(0.8)
        damage(asked)
        return abstain()

    chain = AccessChain([policy(change, "changing", 10, timeout_seconds=1.0), plan()])
    chain.budget_seconds = 1.0
    began = time.monotonic()
    decision = await chain.decide(FULL, basis="fresh")
    assert time.monotonic() - began < 1.4
    assert decision.reason == "plan_active"
    assert (decision.trace[0].effect, decision.trace[0].reason) == ("failed", "late")


def test_a_copy_shares_no_object_that_code_could_change() -> None:
    copied = copy_request(FULL)
    assert copied == FULL
    for field in fields(AccessRequest):
        mine, theirs = getattr(copied, field.name), getattr(FULL, field.name)
        if hasattr(theirs, "__dataclass_fields__"):
            assert mine is not theirs, field.name
    assert copied.organization.id is not FULL.organization.id
    assert copied.plan is not None
    assert FULL.plan is not None
    assert copied.plan.limits is not FULL.plan.limits


async def test_answers_after_the_one_that_decides_are_skipped() -> None:
    """A policy that waits is asked only if its answer may count; one that lost its race is skipped."""
    asked: list[str] = []

    def waiting(name: str, verdict: Verdict, seconds: float) -> RegisteredPolicy:
        async def evaluate(_request: AccessRequest) -> Verdict:
            asked.append(name)
            await asyncio.sleep(seconds)
            return verdict

        return policy(evaluate, name, len(asked) + order_of[name])

    order_of = {"first": 10, "second": 20, "late": 900}
    chain = AccessChain(
        [
            waiting("first", deny("closed"), 0.01),
            waiting("second", allow("open"), 5),
            waiting("late", deny("never"), 5),
            plan(),
        ]
    )
    began = time.monotonic()
    decision = await chain.decide(FULL, basis="fresh")
    assert time.monotonic() - began < 1
    assert decision.reason == "closed"
    assert [entry.effect for entry in decision.trace] == ["deny", "skipped", "skipped", "skipped"]
    assert asked == ["first", "second"], "the plan grants before the last one would be asked"


async def test_a_pure_policy_that_returns_a_coroutine_is_awaited() -> None:
    async def answer() -> Verdict:
        return deny("awaited")

    chain = AccessChain([policy(lambda _request: answer(), pure=True), plan()])
    for _ in range(2):
        assert (await chain.decide(FULL, basis="fresh")).reason == "awaited"


async def test_no_call_waits_for_the_probe_of_a_suspended_policy() -> None:
    """It runs beside: the call is decided as while the policy is suspended, the next as ever."""
    seconds = [3.0]

    async def answer(_request: AccessRequest) -> Verdict:
        await asyncio.sleep(seconds[0])
        return abstain("answered")

    chain = AccessChain([policy(answer, timeout_seconds=1.0), plan()])
    breaker = chain.evaluators[0].breaker
    for still_slow in (True, False):
        breaker.suspend(0.0, 0.0)
        breaker.open_until = 0.0
        seconds[0] = 3.0 if still_slow else 0.0
        began = time.monotonic()
        decision = await chain.decide(FULL, basis="fresh")
        assert time.monotonic() - began < 0.8
        assert (decision.allowed, decision.trace[0].reason) == (True, "breaker_open")
        await asyncio.sleep(1.3 if still_slow else 0.5)
        assert breaker.is_open is still_slow
    assert (await chain.decide(FULL, basis="fresh")).trace[0].reason == "answered"
