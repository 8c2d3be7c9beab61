"""Between now and the next change the decision of the built-in policies stays what it is."""

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from policies.entitlements import Override, PlanStatus, SubscriptionPlan, Trial
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.request import build_request
from service.domain.access_times import next_change_at
from service.domain.organizations import Organization

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 40).map(lambda hours: START + timedelta(hours=hours))
MAYBE = st.none() | INSTANTS
PLANS = st.builds(
    SubscriptionPlan,
    st.just("pro"),
    st.sampled_from(get_args(PlanStatus)),
    MAYBE,
    MAYBE,
    st.booleans(),
)
TRIALS = st.builds(Trial, INSTANTS, INSTANTS)
OVERRIDES = st.builds(
    Override, st.sampled_from(["allow", "deny"]), st.just("x"), st.just("ada"), MAYBE, MAYBE
)
ORGANIZATIONS = st.builds(
    lambda plan, trial, override: Organization(
        UUID(int=1), "Bakery", plan=plan, trial=trial, override=override
    ),
    st.none() | PLANS,
    st.none() | TRIALS,
    st.none() | OVERRIDES,
)
GRACE = timedelta(hours=7)
CHAIN = AccessChain(load_policies().policies, GRACE)


async def decide(organization: Organization, at: datetime) -> tuple[bool, str]:
    decision = await CHAIN.decide(build_request(organization, at), basis="fresh")
    return decision.allowed, decision.reason


@given(organization=ORGANIZATIONS, now=INSTANTS, part=st.floats(0, 0.999))
async def test_nothing_changes_before_the_next_change(
    organization: Organization, now: datetime, part: float
) -> None:
    until = next_change_at(organization, now, GRACE)
    assert until is None or until > now
    later = now + ((until or now + timedelta(days=900)) - now) * part
    assert await decide(organization, now) == await decide(organization, later)
