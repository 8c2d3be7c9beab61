"""Concurrency: the limit that the host counts by, and a share kept for inbound calls."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from policies import (
    CallFacts,
    CallLimit,
    Direction,
    Effect,
    PlanLimits,
    SubscriptionPlan,
    UsageFacts,
    Verdict,
    abstain,
)
from policies.concurrency import ConcurrencyPolicy
from policies.testing import NOW, PolicyTestError, conformance, evaluate, request

USAGE = UsageFacts(4, 40, 5400.0, 12.5, NOW - timedelta(days=28), NOW + timedelta(days=3))


def answer(limits: dict[str, Any], direction: Direction | None = None, **facts: Any) -> Verdict:
    if direction is not None:
        facts["call"] = CallFacts("call", direction=direction)
    return evaluate(ConcurrencyPolicy(), request(usage=USAGE, **facts), settings=limits)


def capacity(verdict: Verdict) -> int:
    (one,) = verdict.limits
    assert one == CallLimit("concurrency", one.capacity, "too_many_calls")
    assert verdict.effect is Effect.ABSTAIN
    return one.capacity


def test_conforms() -> None:
    conformance(ConcurrencyPolicy(), settings={"calls": 5})


@pytest.mark.parametrize(
    ("direction", "most"), [("inbound", 5), ("outbound", 3), ("web", 3), (None, 5)]
)
def test_a_share_is_kept_for_inbound(direction: Direction | None, most: int) -> None:
    assert capacity(answer({"calls": 5, "kept_for_inbound": 2}, direction)) == most


def test_the_plan_may_give_the_limit() -> None:
    plan = SubscriptionPlan("pro", "active", limits=PlanLimits(concurrent_calls=3))
    assert capacity(answer({"plan_limits": True}, plan=plan)) == 3
    assert capacity(answer({"plan_limits": True, "calls": 7}, plan=plan)) == 7
    kept = {"plan_limits": True, "kept_for_inbound": 9}
    assert capacity(answer(kept, "outbound", plan=plan)) == 0
    for none in (None, replace(plan, limits=None), replace(plan, limits=PlanLimits())):
        assert answer({"plan_limits": True}, plan=none) == abstain(note="the plan has no limit")


def test_a_campaign_learns_that_no_place_is_free() -> None:
    limits = {"calls": 5, "kept_for_inbound": 1}
    denied = answer(limits, purpose="predial")
    assert (denied.effect, denied.reason, denied.note) == (
        Effect.DENY,
        "too_many_calls",
        "4 of 4 calls",
    )
    assert answer({"calls": 5}, purpose="predial").effect is Effect.ABSTAIN


def test_calls_without_a_place_are_noted_and_deny_none() -> None:
    """Usage may be a second old, and counts calls that an earlier policy granted: the host decides."""
    verdict = answer({"calls": 4}, "inbound")
    assert (verdict.effect, verdict.note, capacity(verdict)) == (Effect.ABSTAIN, "4 of 4 calls", 4)
    assert answer({"calls": 5}, "inbound").note is None


def test_a_call_that_finds_no_place_may_be_diverted() -> None:
    verdict = answer({"calls": 5, "message": "All lines are busy.", "divert_to": "+15550100200"})
    assert (verdict.message, verdict.divert_to) == ("All lines are busy.", "+15550100200")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "not_configured|give"),
        ({"kept_for_inbound": 1}, "give"),
        ({"calls": 2, "kept_for_inbound": 3}, "larger"),
        ({"calls": -1}, "calls"),
        ({"calls": 1.5}, "calls"),
    ],
)
def test_settings_that_do_not_fit_are_named(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyTestError, match=words):
        answer(limits)
