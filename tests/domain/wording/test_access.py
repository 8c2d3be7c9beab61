"""What is read out to a customer: each reason as a sentence that is true of the facts."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from policies.contract import RENEWAL_GRACE, Effect
from policies.entitlements import Override, SubscriptionPlan, Trial
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.request import build_request
from service.domain.decisions import Decision, TraceEntry
from service.domain.organizations import Organization
from service.domain.wording.access import describe_access

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def days(count: float) -> datetime:
    return AT + timedelta(days=count)


async def told(
    plan: SubscriptionPlan | None = None,
    trial: Trial | None = None,
    override: Override | None = None,
) -> str:
    chain = AccessChain(load_policies().policies)
    organization = Organization(uuid4(), "Acme", plan=plan, trial=trial, override=override)
    decision = await chain.decide(build_request(organization, AT), basis="fresh")
    return describe_access(organization, decision, RENEWAL_GRACE).sentence


@pytest.mark.parametrize(
    ("entitled", "sentence"),
    [
        ({}, "Calls are blocked. There is neither a plan nor a trial."),
        (
            {"trial": Trial(days(-30), days(-11))},
            "Calls are blocked. The trial ended on 12 November; there is no plan.",
        ),
        (
            {"trial": Trial(days(-30), days(0.1))},
            "Calls are allowed. The trial runs until 23 November at 14:24 UTC.",
        ),
        (
            {"trial": Trial(days(5), days(9))},
            "Calls are blocked. There is no plan; the trial begins on 28 November.",
        ),
        (
            {"plan": SubscriptionPlan("pro", "active", days(60))},
            "Calls are allowed. The plan pro is active, paid until 22 January 2027.",
        ),
        ({"plan": SubscriptionPlan("pro", "active")}, "Calls are allowed. The plan pro is active."),
        (
            {"plan": SubscriptionPlan("pro", "active", days(-9), days(9))},
            (
                "Calls are allowed. The plan pro was due to renew on 14 November; its grace period "
                "runs until 2 December."
            ),
        ),
        (
            {"plan": SubscriptionPlan("pro", "past_due", days(9), days(9))},
            "Calls are allowed. The plan pro is past due; its grace period runs until 2 December.",
        ),
        (
            {"plan": SubscriptionPlan("pro", "active", days(-9), days(-5))},
            (
                "Calls are blocked. The plan pro ended on 14 November, its grace period on "
                "18 November; there is no trial."
            ),
        ),
        (
            {"plan": SubscriptionPlan("pro", "canceled"), "trial": Trial(days(-9), days(-5))},
            "Calls are blocked. The plan pro was canceled; the trial ended on 18 November.",
        ),
        (
            {"plan": SubscriptionPlan("pro", "past_due", None, days(-5))},
            (
                "Calls are blocked. The plan pro is past due, and its grace period ended on "
                "18 November; there is no trial."
            ),
        ),
        (
            {"plan": SubscriptionPlan("pro", "paused")},
            "Calls are blocked. The plan pro is paused; there is no trial.",
        ),
        (
            {
                "plan": SubscriptionPlan("pro", "active"),
                "override": Override("deny", "Fraud suspected.", "ada", None, days(4)),
            },
            (
                "Calls are blocked. An override by ada blocks all calls until 27 November "
                "(“Fraud suspected”)."
            ),
        ),
        (
            {"override": Override("allow", "Their bank is slow", "sue")},
            "Calls are allowed. An override by sue allows all calls (“Their bank is slow”).",
        ),
    ],
)
async def test_each_reason_in_words(entitled: dict[str, object], sentence: str) -> None:
    assert await told(**entitled) == sentence  # type: ignore[arg-type]


def test_a_policy_of_a_plugin_is_told_by_its_reason() -> None:
    trace = (
        TraceEntry("admin_override", "abstain"),
        TraceEntry("balance", "failed", "late", "abstain", 500.0),
        TraceEntry("fair_use", "deny", "too_many_calls", None, 1.0),
        TraceEntry("plan", "skipped"),
    )
    decision = Decision(uuid4(), Effect.DENY, "too_many_calls", "fair_use", "fresh", trace, AT)
    story = describe_access(Organization(uuid4(), "Acme"), decision, RENEWAL_GRACE)
    assert story.sentence == (
        "Calls are blocked. The policy fair use blocks calls: too many calls."
    )
    assert [step.sentence for step in story.steps] == [
        "There is no override.",
        "Gave no usable answer (late); that counts as abstain.",
        "The policy fair use blocks calls: too many calls.",
        "Not evaluated: fair use had decided.",
    ]


def test_a_policy_that_was_not_asked_says_why_and_the_default_comes_last() -> None:
    trace = (
        TraceEntry("opening_hours", "skipped", "not_configured"),
        TraceEntry("outbound_only", "skipped", "not_applicable"),
        TraceEntry("trial", "abstain", "trial_expired"),
    )
    decision = Decision(uuid4(), Effect.DENY, "trial_expired", "trial", "fresh", trace, AT)
    story = describe_access(Organization(uuid4(), "Acme"), decision, RENEWAL_GRACE)
    assert [step.sentence for step in story.steps[:2]] == [
        "Not asked: its settings are missing.",
        "Not asked: it is not about this kind of call.",
    ]
    assert (story.default.effect, story.default.sentence) == (
        "deny",
        "No policy decided, so calls are blocked.",
    )
