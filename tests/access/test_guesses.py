"""Which denials are guesses: those that other facts near the call's beginning would have granted."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.entitlements import Override, SubscriptionPlan, Trial
from service.access.judgement import AFTER, BEFORE, MOST_INSTANTS, CallJudge
from service.domain.handling import Handling
from tests.access.test_judgement import (
    CHAIN,
    LINES,
    NOW,
    OWNERS,
    Step,
    World,
    judge,
    trial_world,
)

FIRST, LAST = 66, 54
"""Seconds before now: what happens near a window of a guess, which lies between."""
SECONDS = st.integers(LAST, FIRST).map(lambda second: NOW - timedelta(seconds=second))
NEAR = st.one_of(
    st.tuples(st.just("plan"), st.sampled_from([None, SubscriptionPlan("pro", "active")])),
    st.tuples(st.just("trial"), st.none() | st.builds(Trial, SECONDS, SECONDS)),
    st.tuples(
        st.just("override"),
        st.none()
        | st.builds(
            Override,
            st.sampled_from(["allow", "deny"]),
            st.just("-"),
            st.just("Ada"),
            st.none() | SECONDS,
            st.none() | SECONDS,
        ),
    ),
    st.tuples(st.just("number"), st.sampled_from(OWNERS)),
)
NEAR_STEPS = st.lists(
    st.builds(
        Step,
        st.integers(LAST, FIRST).map(lambda second: second / 60),
        st.just(OWNERS[0]),
        NEAR,
    ),
    min_size=2,
    max_size=6,
    unique_by=lambda step: step.minute,
)


@settings(max_examples=400, deadline=None)
@given(steps=NEAR_STEPS, second=st.integers(LAST + 5, FIRST - 2))
def test_a_grant_at_any_moment_near_the_beginning_makes_a_guess(
    steps: list[Step], second: int
) -> None:
    """Everything happens at whole seconds here: looking at each of them finds every grant."""
    world = World(Handling())
    for step in sorted(steps, key=lambda step: -step.minute):
        world.apply(step)
    judging = CallJudge(world.directory(NOW), CHAIN)
    began = NOW - timedelta(seconds=second)
    since, until = began - BEFORE, began + AFTER

    async def granted(at: datetime) -> bool:
        found = judging.find(LINES, at)
        return (await judging.decide(LINES, found, at, "reconstructed")).allowed

    async def compare() -> tuple[bool, bool]:
        seconds = range(int((until - since).total_seconds()) + 1)
        each = [await granted(since + timedelta(seconds=one)) for one in seconds]
        return await judging.may_be_granted(LINES, since, until), any(each)

    found, expected = asyncio.run(compare())
    assert found == expected


def test_a_former_override_that_ended_by_itself_is_remembered() -> None:
    """An override denied until its end, while a plan would have granted; then both were removed."""
    began = NOW - timedelta(seconds=60)
    override = Override("deny", "-", "Ada", None, began + timedelta(seconds=1))
    facts: list[tuple[float, tuple[str, Any]]] = [
        (80.5, ("override", override)),
        (80, ("plan", SubscriptionPlan("pro", "active"))),
        (57.5, ("plan", None)),
        (57, ("override", None)),
    ]
    found = judge(
        trial_world(*(Step(second / 60, OWNERS[0], fact) for second, fact in facts)), began
    )
    assert (found.decision.reason, found.guessed) == ("override_deny", True)


def test_a_call_among_many_changes_is_judged_as_a_guess() -> None:
    steps = [
        Step((62 - one / 20) / 60, OWNERS[0], ("plan", SubscriptionPlan(f"p{one}", "unpaid")))
        for one in range(MOST_INSTANTS + 1)
    ]
    assert judge(trial_world(*steps), NOW - timedelta(seconds=60)).guessed
