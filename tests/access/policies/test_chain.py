"""The chain against policies that misbehave in every known way; the host keeps working."""

import asyncio
import threading
import time
from typing import Any

import pytest

from policies import AccessRequest, Verdict, abstain, allow, deny
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies import breaker
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import PolicyChoice, load_policies
from service.domain.decisions import Decision
from service.domain.policies.choices import OwnChoice


def policy(evaluate: Any, name: str = "odd", order: int = 50, **given: Any) -> RegisteredPolicy:
    return RegisteredPolicy(name, order, evaluate, "stranger", "1", **given)


def granting(name: str = "granting", order: int = 100) -> RegisteredPolicy:
    return policy(lambda _request: allow("granted"), name, order, pure=True)


async def decide(*policies: RegisteredPolicy) -> Decision:
    return await AccessChain(policies).decide(request(), basis="fresh")


def hang(_request: AccessRequest) -> Verdict:
    time.sleep(1.0)
    return deny("late")


async def hang_async(_request: AccessRequest) -> Verdict:
    await asyncio.sleep(30)
    return deny("late")


async def swallow(_request: AccessRequest) -> Verdict:
    for _ in range(20):
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            continue
    return deny("late")


def spin(_request: AccessRequest) -> Verdict:
    ends_at = time.monotonic() + 0.4
    while time.monotonic() < ends_at:
        pass
    return deny("late")


def leave(_request: AccessRequest) -> Verdict:
    raise SystemExit(3)


def interrupt(_request: AccessRequest) -> Verdict:
    raise KeyboardInterrupt


def recurse(asked: AccessRequest) -> Verdict:
    return recurse(asked)


def mutate(asked: AccessRequest) -> Verdict:
    asked.organization.attributes["plan"] = "free"  # type: ignore[index]
    return allow("mine")


async def cancel_itself(_request: AccessRequest) -> Verdict:
    raise asyncio.CancelledError


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(
    "evaluate",
    [
        hang_async,
        swallow,
        leave,
        interrupt,
        recurse,
        mutate,
        cancel_itself,
        lambda _request: "allow",
        lambda _request: None,
        lambda _request: Verdict("allow", "x"),  # type: ignore[arg-type]
        lambda _request: deny("x" * 5000),
        lambda _request: deny("not a slug\n"),
        lambda _request: deny(None),  # type: ignore[arg-type]
        lambda: deny("wrong_signature"),
    ],
)
async def test_the_zoo(evaluate: Any, pure: bool) -> None:
    """Any misbehaviour is a failed entry in the trace, and the next policy decides."""
    began = time.monotonic()
    decision = await decide(policy(evaluate, timeout_seconds=0.2, pure=pure), granting())
    assert time.monotonic() - began < 1.2
    assert decision.reason == "granted"
    entry = decision.trace[0]
    assert (entry.effect, entry.counted_as) == ("failed", "abstain")


@pytest.mark.parametrize("evaluate", [hang, spin])
async def test_what_keeps_a_thread_busy_is_left_behind(evaluate: Any) -> None:
    began = time.monotonic()
    decision = await decide(policy(evaluate, timeout_seconds=0.2), granting())
    assert time.monotonic() - began < 1.0
    assert (decision.reason, decision.trace[0].effect) == ("granted", "failed")


async def test_a_pure_policy_that_is_slow_loses_its_place() -> None:
    threads: list[int] = []

    def slow(_request: AccessRequest) -> Verdict:
        threads.append(threading.get_ident())
        time.sleep(0.03)
        return abstain()

    chain = AccessChain([policy(slow, pure=True)])
    for _ in range(10):
        await chain.decide(request(), basis="fresh")
    # More than three calls only if the system took the processor away during one of them.
    assert threads[:3] == [threading.get_ident()] * 3
    assert threads[-1] != threading.get_ident()


@pytest.mark.parametrize(
    ("on_failure", "allowed", "reason"),
    [
        ("abstain", True, "granted"),
        ("deny", False, "policy_failed"),
        ("allow", True, "policy_failed"),
    ],
)
async def test_a_failure_counts_as_declared(on_failure: Any, allowed: bool, reason: str) -> None:
    decision = await decide(policy(leave, on_failure=on_failure), granting())
    assert (decision.allowed, decision.reason) == (allowed, reason)


async def test_the_first_that_decides_wins_and_the_rest_is_skipped() -> None:
    decision = await decide(
        granting("third", 300),
        policy(lambda _request: deny("stop"), "second", 200, pure=True),
        policy(lambda _request: abstain("maybe"), "first", 100, pure=True),
    )
    assert (decision.reason, decision.determined_by) == ("stop", "second")
    assert [(entry.policy, entry.effect) for entry in decision.trace] == [
        ("first", "abstain"),
        ("second", "deny"),
        ("third", "skipped"),
    ]


async def test_a_veto_is_heard_first_and_its_denial_wins() -> None:
    decision = await decide(
        policy(lambda _request: allow("early"), "early", -5, veto=True),
        policy(lambda _request: deny("never"), "never", 900, veto=True),
        granting(),
    )
    assert (decision.allowed, decision.reason) == (False, "never")


async def test_async_policies_are_awaited() -> None:
    async def evaluate(_request: AccessRequest) -> Verdict:
        await asyncio.sleep(0)
        return allow("awaited")

    assert (await decide(policy(evaluate))).reason == "awaited"


async def test_the_chain_has_one_budget() -> None:
    """Eight policies of half a second each do not make four seconds."""
    slow = [policy(hang_async, f"slow_{index}", index) for index in range(8)]
    began = time.monotonic()
    decision = await decide(*slow, granting())
    assert time.monotonic() - began < 2.4
    assert decision.reason == "granted"


async def test_the_breaker_opens_and_tries_again() -> None:
    asked = 0
    broken = True

    def sometimes(_request: AccessRequest) -> Verdict:
        nonlocal asked
        asked += 1
        if broken:
            raise RuntimeError
        return allow("well_again")

    chain = AccessChain([policy(sometimes, pure=True)])
    chain.evaluators[0].breaker.pause = 0.2
    for _ in range(10):
        await chain.decide(request(), basis="fresh")
    assert asked == breaker.FAILURES
    broken = False
    await asyncio.sleep(0.25)
    assert (await chain.decide(request(), basis="fresh")).reason == "well_again"


async def test_a_probe_that_is_to_be_awaited_ends_the_suspension() -> None:
    broken = True

    async def answer() -> Verdict:
        return allow("well_again")

    def sometimes(_request: AccessRequest) -> Any:
        return None if broken else answer()

    chain = AccessChain([policy(sometimes, pure=True)])
    for _ in range(breaker.FAILURES):
        await chain.decide(request(), basis="fresh")
    broken = False
    suspension = chain.evaluators[0].breaker
    suspension.open_until = time.monotonic()
    assert (await chain.decide(request(), basis="fresh")).reason == "well_again"
    assert not suspension.is_open


def test_a_probe_ends_its_own_suspension_only() -> None:
    suspension = breaker.PolicyBreaker()
    suspension.suspend(0.0, 10.0)
    assert suspension.may_probe(10.0)
    suspension.suspend(11.0, breaker.AFTER_BLOCKING_SECONDS)
    suspension.succeed(probing=True)
    assert suspension.is_open
    assert suspension.may_probe(11.0 + breaker.AFTER_BLOCKING_SECONDS)
    suspension.succeed(probing=True)
    assert not suspension.is_open


def test_a_probe_that_fails_late_shortens_no_longer_suspension() -> None:
    suspension = breaker.PolicyBreaker()
    suspension.suspend(0.0, 10.0)
    assert suspension.may_probe(10.0)
    suspension.suspend(11.0, breaker.AFTER_BLOCKING_SECONDS)
    suspension.fail(12.0, probing=True)
    assert not suspension.may_probe(11.0 + breaker.AFTER_BLOCKING_SECONDS - 1)
    assert suspension.may_probe(11.0 + breaker.AFTER_BLOCKING_SECONDS)


async def test_stuck_threads_are_bounded() -> None:
    chain = AccessChain([policy(hang, timeout_seconds=0.05), granting()])
    decisions = await asyncio.gather(*(chain.decide(request(), basis="fresh") for _ in range(30)))
    assert {decision.reason for decision in decisions} == {"granted"}
    assert sum(thread.name == "policy-odd" for thread in threading.enumerate()) <= 8


async def test_our_own_cancellation_passes_through() -> None:
    task = asyncio.create_task(decide(policy(hang_async)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class CountingReader:
    """Counts how often the usage of an organization is worked out."""

    asked = 0

    def read(self, _request: AccessRequest) -> None:
        self.asked += 1


async def test_usage_is_worked_out_only_for_policies_that_may_read_it() -> None:
    reader = CountingReader()
    built_in = AccessChain(load_policies(PolicyChoice(third_party=False)).policies)
    other = AccessChain([granting()])
    built_in.usage = other.usage = reader
    await built_in.decide(request(), basis="fresh")
    assert reader.asked == 0
    await built_in.decide(
        request(), basis="fresh", own={"quota": OwnChoice("shadow", {"calls": 1})}
    )
    assert reader.asked == 1
    await other.decide(request(), basis="fresh")
    assert reader.asked == 2
