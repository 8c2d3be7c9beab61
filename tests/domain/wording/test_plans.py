"""What the form of a plan says about the end of its period."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.entitlements import SubscriptionPlan
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
    ],
)
def test_the_end_of_a_period_is_described(plan: SubscriptionPlan, sentence: str) -> None:
    assert describe_period_end(plan, AT, GRACE) == sentence
