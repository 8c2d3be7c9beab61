"""The built-in policies against the contract, and properties that hold for every request."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import AccessRequest, Effect, Override, SubscriptionPlan, Trial, Verdict, abstain
from policies.contract import RENEWAL_GRACE
from policies.entitlements import PlanStatus
from policies.host.registration import RegisteredPolicy
from policies.testing import NOW, request
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.domain.decisions import Decision

BUILT_IN = load_policies().policies
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def decide(asked: AccessRequest, *strangers: RegisteredPolicy) -> Decision:
    chain = AccessChain([*BUILT_IN, *strangers])
    return asyncio.run(chain.decide(asked, basis="fresh"))


def plan(
    status: Any,
    period: timedelta | None = None,
    grace: timedelta | None = None,
    *,
    cancels: bool = False,
) -> Any:
    """A plan whose periods end at these offsets from now."""
    return SubscriptionPlan(
        "pro",
        status,
        None if period is None else NOW + period,
        None if grace is None else NOW + grace,
        cancels,
    )


@pytest.mark.parametrize(
    ("given_plan", "allowed", "reason"),
    [
        (plan("active"), True, "plan_active"),
        (plan("active", TICK), True, "plan_active"),
        (plan("active", timedelta(0)), True, "plan_in_grace"),
        (plan("active", TICK - RENEWAL_GRACE), True, "plan_in_grace"),
        (plan("active", -RENEWAL_GRACE), False, "plan_ended"),
        (plan("active", timedelta(0), cancels=True), False, "plan_ended"),
        (plan("active", -HOUR, TICK, cancels=True), True, "plan_in_grace"),
        (plan("active", -HOUR, timedelta(0), cancels=True), False, "plan_ended"),
        (plan("trialing"), True, "plan_active"),
        (plan("trialing", TICK), True, "plan_active"),
        (plan("trialing", -HOUR), True, "plan_in_grace"),
        (plan("unpaid", HOUR, HOUR), False, "plan_unpaid"),
        (plan("incomplete", HOUR, HOUR), False, "plan_incomplete"),
        (plan("incomplete_expired", HOUR, HOUR), False, "plan_incomplete"),
        (plan("active", -HOUR, TICK), True, "plan_in_grace"),
        (plan("active", -HOUR, timedelta(0)), False, "plan_ended"),
        (plan("active", None, -HOUR), True, "plan_active"),
        (plan("canceled"), False, "plan_ended"),
        (plan("canceled", TICK), True, "plan_paid_until"),
        (plan("canceled", timedelta(0)), False, "plan_ended"),
        (plan("canceled", -HOUR, HOUR), False, "plan_ended"),
        (plan("past_due"), False, "plan_past_due"),
        (plan("past_due", HOUR), False, "plan_past_due"),
        (plan("past_due", -HOUR, TICK), True, "plan_in_grace"),
        (plan("past_due", -HOUR, timedelta(0)), False, "plan_past_due"),
        (plan("paused", HOUR, HOUR), False, "plan_paused"),
    ],
)
def test_plans(given_plan: SubscriptionPlan, allowed: bool, reason: str) -> None:
    decision = decide(request(plan=given_plan))
    assert (decision.allowed, decision.reason) == (allowed, reason)
    assert decision.determined_by == "plan"


async def test_a_strangers_policy_gets_the_operators_renewal_grace() -> None:
    seen: list[timedelta] = []

    def evaluate(asked: AccessRequest) -> Verdict:
        seen.append(asked.renewal_grace)
        return abstain()

    stranger = RegisteredPolicy("odd", 1, evaluate, "stranger", "1", pure=True)
    chain = AccessChain([*BUILT_IN, stranger], renewal_grace=HOUR)
    late = await chain.decide(request(plan=plan("active", -HOUR)), basis="fresh")
    assert (late.reason, seen) == ("plan_ended", [HOUR])


@pytest.mark.parametrize(
    ("starts", "ends", "allowed", "reason"),
    [
        (-HOUR, TICK, True, "trial_active"),
        (timedelta(0), HOUR, True, "trial_active"),
        (TICK, HOUR, False, "no_plan_or_trial"),
        (-HOUR, timedelta(0), False, "trial_expired"),
    ],
)
def test_trials(starts: timedelta, ends: timedelta, allowed: bool, reason: str) -> None:
    decision = decide(request(trial=Trial(NOW + starts, NOW + ends)))
    assert (decision.allowed, decision.reason) == (allowed, reason)


@pytest.mark.parametrize(
    ("effect", "starts", "expires", "reason"),
    [
        ("allow", None, None, "override_allow"),
        ("deny", None, None, "override_deny"),
        ("deny", timedelta(0), TICK, "override_deny"),
        ("deny", TICK, None, "plan_active"),
        ("deny", None, timedelta(0), "plan_active"),
    ],
)
def test_overrides(
    effect: Any, starts: timedelta | None, expires: timedelta | None, reason: str
) -> None:
    override = Override(
        effect,
        "why",
        "who",
        None if starts is None else NOW + starts,
        None if expires is None else NOW + expires,
    )
    assert decide(request(plan=plan("active"), override=override)).reason == reason


def test_nobody_has_anything_to_say() -> None:
    decision = decide(request())
    assert (decision.allowed, decision.reason, decision.determined_by) == (
        False,
        "no_plan_or_trial",
        None,
    )
    asked = [entry.policy for entry in decision.trace if entry.reason != "not_configured"]
    assert asked == ["admin_override", "plan", "trial"]


def test_the_first_reason_in_the_chain_explains() -> None:
    both = request(plan=plan("canceled"), trial=Trial(NOW - 2 * HOUR, NOW - HOUR))
    assert decide(both).reason == "plan_ended"
    paused = request(plan=plan("paused"), trial=Trial(NOW - HOUR, NOW + HOUR))
    assert decide(paused).reason == "trial_active"


INSTANTS = st.timedeltas(timedelta(days=-400), timedelta(days=400)).map(lambda span: NOW + span)
PLANS = st.builds(
    SubscriptionPlan,
    st.just("pro"),
    st.sampled_from(get_args(PlanStatus)),
    st.none() | INSTANTS,
    st.none() | INSTANTS,
)
TRIALS = st.tuples(INSTANTS, INSTANTS).map(lambda pair: Trial(min(pair), max(pair)))
OVERRIDES = st.builds(
    Override,
    st.sampled_from(["allow", "deny"]),
    st.just("why"),
    st.just("who"),
    st.none() | INSTANTS,
    st.none() | INSTANTS,
)
REQUESTS = st.builds(
    lambda p, t, o: request(plan=p, trial=t, override=o),
    st.none() | PLANS,
    st.none() | TRIALS,
    st.none() | OVERRIDES,
)


def ends(asked: AccessRequest) -> list[datetime]:
    """Every instant at which an entitlement of the request ends."""
    found = [asked.trial.ends_at] if asked.trial else []
    if asked.plan:
        found += [
            end
            for end in (asked.plan.current_period_end, asked.plan.grace_ends_at(RENEWAL_GRACE))
            if end
        ]
    if asked.override and asked.override.expires_at:
        found.append(asked.override.expires_at)
    return found


@given(asked=REQUESTS)
def test_nothing_is_granted_after_every_entitlement_has_ended(asked: AccessRequest) -> None:
    open_plan = (
        asked.plan
        and asked.plan.status in ("active", "trialing")
        and not asked.plan.current_period_end
    )
    open_override = asked.override and asked.override.expires_at is None
    if open_plan or open_override:
        return
    last = max(ends(asked), default=NOW)
    for at in (last, last + TICK, last + timedelta(days=4000)):
        later = request(at=at, plan=asked.plan, trial=asked.trial, override=asked.override)
        assert not decide(later).allowed


def stranger(name: str, order: int, answer: Any, *, veto: bool = False) -> RegisteredPolicy:
    def evaluate(_request: AccessRequest) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return RegisteredPolicy(name, order, evaluate, "stranger", "1", pure=True, veto=veto)


ANSWERS = st.sampled_from(
    [
        Verdict(Effect.ALLOW, "mine"),
        Verdict(Effect.DENY, "mine"),
        Verdict(Effect.ABSTAIN, None),
        RuntimeError("broken"),
        None,
    ]
)
STRANGERS = st.lists(st.tuples(st.integers(-1000, 1000), ANSWERS, st.booleans()), max_size=4).map(
    lambda found: [
        stranger(f"stranger_{index}", order, answer, veto=veto)
        for index, (order, answer, veto) in enumerate(found)
    ]
)


@given(asked=REQUESTS, strangers=STRANGERS)
def test_a_deny_override_in_force_always_wins(
    asked: AccessRequest, strangers: list[RegisteredPolicy]
) -> None:
    denied = request(plan=asked.plan, trial=asked.trial, override=Override("deny", "why", "who"))
    assert not decide(denied, *strangers).allowed


@given(asked=REQUESTS)
def test_an_expired_entitlement_changes_nothing_but_the_reason(asked: AccessRequest) -> None:
    if asked.trial is None:
        expired = Trial(NOW - 2 * HOUR, NOW - HOUR)
        added = request(plan=asked.plan, trial=expired, override=asked.override)
        assert decide(added).allowed == decide(asked).allowed


@given(asked=REQUESTS, order=st.integers(-1000, 1000))
def test_a_policy_without_opinion_changes_nothing(asked: AccessRequest, order: int) -> None:
    silent = stranger("silent", order, Verdict(Effect.ABSTAIN, None))
    assert decide(asked, silent).reason == decide(asked).reason
