"""A decision at once: the same as an awaited one, where all policies only compute; else none."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from policies import AccessRequest, Verdict, abstain, allow, deny, limit
from policies.host.registration import RegisteredPolicy
from policies.testing import request
from service.access.policies.chain import AccessChain
from service.domain.decisions import Decision
from service.domain.policies.choices import OwnChoice

REQUEST = request()


def policy(evaluate: Any, name: str = "one", order: int = 50, **given: Any) -> RegisteredPolicy:
    return RegisteredPolicy(name, order, evaluate, "stranger", "1", **{"pure": True, **given})


def answering(verdict: Verdict, name: str, order: int, **given: Any) -> RegisteredPolicy:
    return policy(lambda _request: verdict, name, order, **given)


def fail(_request: AccessRequest) -> Verdict:
    raise ValueError


def mutate(asked: AccessRequest) -> Verdict:
    object.__setattr__(asked.organization, "name", "Other")
    return allow("other")


async def answer_later(_request: AccessRequest) -> Verdict:
    return allow("later")


def without_times(decision: Decision) -> object:
    trace = tuple(replace(entry, duration_ms=0.0) for entry in decision.trace)
    return replace(decision, id=REQUEST.organization.id, trace=trace)


CHAINS = (
    (),
    (answering(allow("gift"), "one", 10), answering(deny("closed"), "two", 20)),
    (answering(abstain("trial_expired"), "one", 10), answering(abstain(), "two", 20)),
    (answering(allow("gift"), "one", 10), answering(deny("never"), "veto", 20, veto=True)),
    (policy(fail, on_failure="deny"), answering(allow("gift"), "two", 90)),
)


@pytest.mark.parametrize("policies", CHAINS)
async def test_it_is_the_decision_that_is_awaited_otherwise(
    policies: tuple[RegisteredPolicy, ...],
) -> None:
    at_once = AccessChain(policies).decide_at_once(REQUEST, basis="fresh")
    awaited = await AccessChain(policies).decide(REQUEST, basis="fresh")
    assert at_once is not None
    assert without_times(at_once) == without_times(awaited)


@pytest.mark.parametrize("given", [{"pure": False}, {"evaluate": answer_later}])
async def test_a_policy_that_may_take_its_time_is_not_asked(given: dict[str, Any]) -> None:
    asked: list[str] = []

    def note(_request: AccessRequest) -> Verdict:
        asked.append("one")
        return abstain()

    other = replace(answering(allow("gift"), "two", 90), **given)
    chain = AccessChain([policy(note), other])
    assert chain.decide_at_once(REQUEST, basis="fresh") is None
    assert not asked
    assert (await chain.decide(REQUEST, basis="fresh")).allowed


async def test_a_policy_in_shadow_is_asked_beside_a_decision_that_is_awaited() -> None:
    chain = AccessChain([answering(allow("gift"), "one", 10), answering(deny("no"), "two", 20)])
    own = {"two": OwnChoice("shadow")}
    assert chain.decide_at_once(REQUEST, basis="fresh", own=own) is None
    assert (await chain.decide(REQUEST, basis="fresh", own=own)).allowed
    await chain.stop()


async def test_a_suspended_policy_counts_as_its_failure_beside() -> None:
    chain = AccessChain([policy(fail, on_failure="deny")])
    decisions = [chain.decide_at_once(REQUEST, basis="fresh") for _ in range(20)]
    assert decisions[0] is not None
    assert decisions[-1] is None
    assert (await chain.decide(REQUEST, basis="fresh")).trace[0].reason == "breaker_open"


async def test_what_a_policy_changed_counts_for_nothing() -> None:
    chain = AccessChain([policy(mutate), answering(deny("closed"), "two", 90)])
    assert chain.decide_at_once(REQUEST, basis="fresh") is None
    decision = await chain.decide(REQUEST, basis="fresh")
    assert decision.trace[0].reason == "changed_facts"
    assert REQUEST.organization.name != "Other"


async def test_an_answer_that_is_to_be_awaited_is_left_to_its_end() -> None:
    chain = AccessChain([policy(partial(answer_later))])
    assert chain.decide_at_once(REQUEST, basis="fresh") is None
    assert (await chain.decide(REQUEST, basis="fresh")).reason == "later"


async def test_a_policy_that_limits_calls_is_asked_once_a_call() -> None:
    asked: list[str] = []

    def count(_request: AccessRequest) -> Verdict:
        asked.append("one")
        return allow("gift", limits=[limit("five", 5, reason="full")])

    chain = AccessChain([policy(count)])
    first = chain.decide_at_once(REQUEST, basis="fresh")
    assert first is not None
    assert first.limits
    assert chain.decide_at_once(REQUEST, basis="fresh") is None
    assert len(asked) == 1
