"""How a decided call goes on: what of the verdicts counts."""

import json
from datetime import timedelta

from policies import AccessRequest, SubscriptionPlan, Verdict, abstain, allow, deny, policy
from policies.testing import NOW, request
from service.access.policies.kit import ChainUnderTest
from service.domain.decisions import NO_TERMS, CallTerms, Decision
from service.store.calls.decisions import dump_decision, load_decision

PAYING = request(plan=SubscriptionPlan("pro", "active"))


def decided(*verdicts: tuple[int, Verdict], asked: AccessRequest = PAYING) -> Decision:
    """The decision of a chain with policies of these orders that answer so."""

    def built(place: int, order: int, verdict: Verdict) -> object:
        @policy(order=order, name=f"says_{place}", pure=True)
        def says(_request: AccessRequest) -> Verdict:
            return verdict

        return says

    return ChainUnderTest(
        [built(place, order, verdict) for place, (order, verdict) in enumerate(verdicts)]
    ).decide(asked)


def test_most_decisions_have_none() -> None:
    assert decided((50, abstain())).terms is NO_TERMS


def test_the_words_and_the_diversion_are_those_of_the_policy_that_denied() -> None:
    found = decided(
        (40, abstain(message="not mine", divert_to="+15550100201")),
        (50, deny("closed", message="We are closed.", divert_to="+15550100200")),
        (60, deny("late", message="never asked")),
    )
    number = {"type": "number", "number": "+15550100200"}
    assert found.terms == CallTerms("We are closed.", {"destination": number})
    assert found.diverts
    assert not found.without_diversion().diverts
    assert found.without_diversion().terms.message == "We are closed."


def test_the_time_is_that_of_the_policy_that_denied_and_is_stored() -> None:
    soon, late = NOW + timedelta(hours=1), NOW + timedelta(hours=9)
    found = decided((40, abstain(until=soon)), (50, deny("closed", until=late)))
    assert (found.until, found.terms) == (soon, CallTerms(until=late))
    assert load_decision(json.loads(json.dumps(dump_decision(found)))).terms == found.terms
    granted = decided((40, abstain(until=soon)), (50, allow("mine", until=late)))
    assert granted.terms is NO_TERMS


def test_a_policy_that_gives_the_reason_of_a_denial_by_default_speaks_too() -> None:
    found = decided((50, abstain("prepaid_empty", message="Please top up.")), asked=request())
    assert (found.allowed, found.terms.message) == (False, "Please top up.")


def test_nothing_is_said_about_a_granted_call() -> None:
    found = decided(
        (50, abstain("prepaid_empty", message="Please top up.", divert_to="+15550100200"))
    )
    assert found.allowed
    assert found.terms is NO_TERMS


def test_the_shortest_length_of_all_that_were_asked_counts() -> None:
    found = decided(
        (40, abstain(max_duration_seconds=900.7)),
        (50, abstain(max_duration_seconds=300)),
        (60, allow("mine", max_duration_seconds=600)),
        (70, abstain(max_duration_seconds=1)),
    )
    assert found.terms == CallTerms(max_duration_seconds=300)
    assert found.trace[1].terms == CallTerms(max_duration_seconds=900)
