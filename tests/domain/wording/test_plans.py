"""What the form of a plan says about the end of its period."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest

from policies.contract import Effect
from policies.entitlements import PlanStatus, SubscriptionPlan
from policies.plan import PlanPolicy
from policies.testing import request
from service.domain.wording.plans import describe_period_end

AT = datetime(2026, 3, 1, tzinfo=UTC)
END = AT + timedelta(days=10)
LATER = AT + timedelta(days=20)
GRACE = timedelta(hours=72)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            SubscriptionPlan("pro", "active", END),
            (
                "The plan renews on 11 March. Unless a renewal is reported before, calls are allowed "
                "until 14 March, then blocked."
            ),
        ),
        (
            SubscriptionPlan("pro", "trialing", END, LATER),
            (
                "The plan renews on 11 March. Unless a renewal is reported before, calls are allowed "
                "until 21 March, then blocked."
            ),
        ),
        (
            SubscriptionPlan("pro", "active", END, cancel_at_period_end=True),
            "The plan ends on 11 March. From then on calls are blocked.",
        ),
        (
            SubscriptionPlan("pro", "active", END, LATER, cancel_at_period_end=True),
            "The plan ends on 11 March. Calls are allowed until 21 March, then blocked.",
        ),
        (
            SubscriptionPlan("pro", "active"),
            "The plan has no end: it allows calls until its status changes.",
        ),
        (
            SubscriptionPlan("pro", "canceled", END),
            "The plan is canceled: it allows calls until 11 March.",
        ),
        (
            SubscriptionPlan("pro", "past_due", END, LATER),
            "The plan is past due: it allows calls until 21 March.",
        ),
        (SubscriptionPlan("pro", "unpaid", END), "The plan is unpaid: it allows no calls."),
        (
            SubscriptionPlan("pro", "active", AT - timedelta(hours=1)),
            (
                "The plan was due to renew on 28 February at 23:00 UTC. Unless a renewal is reported "
                "before, calls are allowed until 3 March, then blocked."
            ),
        ),
        (
            SubscriptionPlan("pro", "active", AT - timedelta(days=9)),
            (
                "The plan was due to renew on 20 February, and its grace period ended on 23 February: "
                "it allows no calls."
            ),
        ),
        (
            SubscriptionPlan("pro", "active", AT - timedelta(days=9), cancel_at_period_end=True),
            "The plan ended on 20 February: it allows no calls.",
        ),
        (
            SubscriptionPlan("pro", "canceled", AT - timedelta(days=9)),
            "The plan was canceled and ended on 20 February: it allows no calls.",
        ),
        (
            SubscriptionPlan("pro", "past_due", END, AT - timedelta(days=9)),
            ("The plan is past due and its grace period ended on 20 February: it allows no calls."),
        ),
    ],
)
def test_the_end_of_a_period_is_described(plan: SubscriptionPlan, sentence: str) -> None:
    assert describe_period_end(plan, AT, GRACE) == sentence


DAYS = (None, -20, -1, 0, 1, 20)


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize("status", get_args(PlanStatus))
def test_it_says_that_no_calls_are_allowed_exactly_if_the_policy_does_not_grant(
    status: PlanStatus, cancels: bool
) -> None:
    for paid, grace in product(DAYS, DAYS):
        ends = [None if days is None else AT + timedelta(days=days) for days in (paid, grace)]
        plan = SubscriptionPlan("pro", status, ends[0], ends[1], cancel_at_period_end=cancels)
        verdict = PlanPolicy().evaluate(request(plan=plan, at=AT, renewal_grace=GRACE))
        sentence = describe_period_end(plan, AT, GRACE)
        assert ("allows no calls" in sentence) == (verdict.effect != Effect.ALLOW), (plan, sentence)
