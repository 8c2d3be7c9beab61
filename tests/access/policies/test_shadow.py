"""Policies in shadow: asked and recorded, and unable to delay, change or suspend what is enforced."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import pytest

from policies import AccessRequest, CallFacts, UsageFacts, Verdict, abstain, allow, deny, limit
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies.chain import AccessChain
from service.domain.decisions import Decision
from service.domain.policies.choices import GeneralChoice, OwnChoice
from service.domain.policies.shadow import ShadowVerdict
from tests.support.service import eventually

CALL = replace(request(), call=CallFacts("call-1", "inboundPhoneCall"))
SHADOW = GeneralChoice("shadow")


def policy(
    evaluate: Callable[[AccessRequest], object], name: str = "odd", order: int = 10, **given: object
) -> RegisteredPolicy:
    return RegisteredPolicy(name, order, evaluate, "third-party", "1", **given)  # type: ignore[arg-type]


def granting() -> RegisteredPolicy:
    return policy(lambda _request: allow("open"), "granting", 50, pure=True)


class ShadowedChain:
    """A chain whose policy `odd` is in shadow, with what it recorded."""

    def __init__(self, *policies: RegisteredPolicy, **choices: GeneralChoice) -> None:
        self.chain = AccessChain(policies)
        self.chain.choices.take({"odd": SHADOW, **choices}, 0)
        self.recorded: list[ShadowVerdict] = []
        self.chain.shadows.record = self.recorded.append
        self.chain.shadows.delay_seconds = 0

    async def decide(self, asked: AccessRequest = CALL) -> Decision:
        return await self.chain.decide(asked, basis="fresh")

    async def verdict(self) -> ShadowVerdict:
        """The first recorded verdict."""

        async def arrived() -> bool:
            return bool(self.recorded)

        await eventually(arrived)
        return self.recorded[0]


class LiveCalls(NamedTuple):
    """So many calls of an organization are under way."""

    calls: int

    def read(self, asked: AccessRequest) -> UsageFacts:
        return UsageFacts(self.calls, 0, 0.0, 0.0, asked.at, asked.at + timedelta(days=1))


def sleep_in_thread(_request: AccessRequest) -> Verdict:
    time.sleep(0.3)
    return deny("slow")


async def sleep_on_loop(_request: AccessRequest) -> Verdict:
    await asyncio.sleep(0.3)
    return deny("slow")


def burn(_request: AccessRequest) -> Verdict:
    ends_at = time.monotonic() + 0.3
    while time.monotonic() < ends_at:
        pass
    return deny("slow")


def fail(_request: AccessRequest) -> Verdict:
    raise ValueError


@pytest.mark.parametrize("evaluate", [sleep_in_thread, sleep_on_loop, burn, fail])
@pytest.mark.parametrize("pure", [False, True])
async def test_no_behaviour_in_shadow_delays_or_changes_a_decision(
    evaluate: Callable[[AccessRequest], object], *, pure: bool
) -> None:
    shadowed = ShadowedChain(
        policy(evaluate, pure=pure, on_failure="deny", timeout_seconds=1), granting()
    )
    decision = await shadowed.decide()
    assert evaluate is fail or not shadowed.recorded, "the decision did not wait for the verdict"
    assert (decision.allowed, decision.reason) == (True, "open")
    assert [(one.effect, one.mode) for one in decision.trace] == [
        ("skipped", "shadow"),
        ("allow", "enforce"),
    ]
    verdict = await shadowed.verdict()
    assert verdict.decided == "allow"
    assert verdict.would == "deny"
    assert verdict.reason == ("raised:ValueError" if evaluate is fail else "slow")


async def test_a_decision_waits_for_no_policy_in_shadow_at_100_calls_at_once() -> None:
    shadowed = ShadowedChain(policy(sleep_in_thread, timeout_seconds=1), granting())
    decisions = await asyncio.gather(*(shadowed.decide() for _ in range(100)))
    assert len(shadowed.recorded) < 50
    assert all(one.allowed for one in decisions)


async def test_an_async_policy_in_shadow_that_blocks_runs_after_the_answer() -> None:
    async def block(_request: AccessRequest) -> Verdict:
        time.sleep(0.3)  # noqa: ASYNC251 - as a careless author writes it
        return deny("slow")

    shadowed = ShadowedChain(policy(block), granting())
    shadowed.chain.shadows.delay_seconds = 0.3
    await shadowed.decide()
    await asyncio.sleep(0)
    assert not shadowed.recorded
    assert (await shadowed.verdict()).reason == "slow"


@pytest.mark.parametrize(
    ("order", "verdict", "enforced", "would"),
    [
        (10, deny("closed"), allow("open"), "deny"),
        (90, deny("closed"), allow("open"), "allow"),
        (10, abstain("unknown"), allow("open"), "allow"),
        (10, allow("gift"), deny("closed"), "allow"),
        (90, allow("gift"), deny("closed"), "deny"),
        (90, allow("gift"), abstain("trial_expired"), "allow"),
    ],
)
async def test_what_would_have_been_decided_follows_the_order_of_the_chain(
    order: int, verdict: Verdict, enforced: Verdict, would: str
) -> None:
    deciding = policy(lambda _request: enforced, "deciding", 50, pure=True)
    shadowed = ShadowedChain(policy(lambda _request: verdict, order=order), deciding)
    decision = await shadowed.decide()
    found = await shadowed.verdict()
    assert (found.effect, found.reason) == (verdict.effect.value, verdict.reason)
    assert found.decided == ("allow" if decision.allowed else "deny")
    assert found.would == would
    assert (found.vapi_call_id, found.organization_id) == ("call-1", CALL.organization.id)
    assert found.at == decision.decided_at


@pytest.mark.parametrize(
    ("order", "live", "would"), [(10, 4, "allow"), (10, 5, "deny"), (90, 5, "allow")]
)
@pytest.mark.parametrize("effect", [abstain, partial(allow, "gift")])
async def test_a_full_limit_of_a_policy_in_shadow_would_have_blocked(
    effect: Callable[..., Verdict], order: int, live: int, would: str
) -> None:
    stated = effect(limits=[limit("five_at_once", 5, reason="too_many_at_once")])
    shadowed = ShadowedChain(policy(lambda _request: stated, order=order), granting())
    shadowed.chain.usage = LiveCalls(live)
    await shadowed.decide()
    verdict = await shadowed.verdict()
    assert (verdict.decided, verdict.would) == ("allow", would)


async def test_failures_in_shadow_suspend_no_enforced_evaluation() -> None:
    shadowed = ShadowedChain(policy(fail), granting())
    for _ in range(10):
        await shadowed.decide()

    async def suspended() -> bool:
        return shadowed.chain.describe()[0].health.suspended

    await eventually(suspended)
    own = {"odd": OwnChoice("enforce")}
    decision = await shadowed.chain.decide(CALL, basis="fresh", own=own)
    assert decision.trace[0].reason == "raised:ValueError"


async def test_a_policy_in_shadow_that_changes_facts_is_found_and_changes_none() -> None:
    def change(asked: AccessRequest) -> Verdict:
        object.__setattr__(asked.organization, "name", "Other")
        return allow("other")

    shadowed = ShadowedChain(policy(change), granting())
    await shadowed.decide()
    assert (await shadowed.verdict()).reason == "changed_facts"
    assert CALL.organization.name == "Example"


@pytest.mark.parametrize("purpose", ["list", "ring_gate", "preview", "predial"])
async def test_only_calls_are_recorded(purpose: str) -> None:
    shadowed = ShadowedChain(policy(lambda _request: deny("closed")), granting())
    await shadowed.decide(replace(CALL, purpose=purpose))  # type: ignore[arg-type]
    await shadowed.decide(request())
    await shadowed.chain.decide(CALL, basis="reconstructed")
    assert not shadowed.chain.shadows.pending


async def test_an_explanation_waits_for_the_answers_of_policies_in_shadow() -> None:
    shadowed = ShadowedChain(policy(sleep_on_loop, timeout_seconds=1), granting())
    asked = replace(request(), purpose="preview")
    decision = await shadowed.chain.decide(asked, basis="fresh", with_shadows=True)
    first = decision.trace[0]
    assert (first.effect, first.reason, first.mode) == ("deny", "slow", "shadow")
    assert (decision.allowed, decision.determined_by) == (True, "granting")


async def test_too_many_waiting_decisions_are_dropped_and_counted() -> None:
    shadowed = ShadowedChain(policy(sleep_on_loop, timeout_seconds=1), granting())
    shadowed.chain.shadows.most_pending = 3
    for _ in range(5):
        await shadowed.decide()
    assert (len(shadowed.chain.shadows.pending), shadowed.chain.shadows.dropped) == (3, 2)
    await shadowed.chain.stop()


async def test_a_policy_that_was_not_asked_is_not_recorded() -> None:
    shadowed = ShadowedChain(policy(lambda _request: deny("x"), opt_in=True), granting())
    await shadowed.decide()
    while shadowed.chain.shadows.pending:
        await asyncio.sleep(0.01)
    assert not shadowed.recorded
