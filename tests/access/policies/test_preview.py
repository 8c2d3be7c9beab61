"""The chain asked about a supposed call: the facts that policies see of it."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from policies.contract import AccessRequest, AppliesTo, CallFacts, Verdict, abstain, allow
from policies.functions import policy
from policies.host.registration import RegisteredPolicy, fit_policy
from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.preview import ChainPreview
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber

OURS, THEIRS = "+15552000001", "+15551234567"
ORGANIZATION = Organization(UUID(int=1), "Bakery")
NUMBER = PhoneNumber(UUID(int=2), UUID(int=1), "n-1", OURS)


def fit(candidate: object) -> RegisteredPolicy:
    return fit_policy(candidate, "third-party", "1")


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        (CallFacts("c", "inboundPhoneCall", THEIRS), ("inbound", THEIRS, OURS)),
        (
            CallFacts("c", "outboundPhoneCall", None, called_number=THEIRS),
            ("outbound", OURS, THEIRS),
        ),
        (
            CallFacts("c", "inboundPhoneCall", THEIRS, called_number="+49"),
            ("inbound", THEIRS, "+49"),
        ),
        (CallFacts("c", None, THEIRS), (None, THEIRS, OURS)),
    ],
)
async def test_the_numbers_of_a_supposed_call_stay_on_their_sides(
    call: CallFacts, seen: tuple[str | None, str | None, str | None]
) -> None:
    asked: list[AccessRequest] = []

    @policy(order=50, pure=True)
    def note(request: AccessRequest) -> Verdict:
        asked.append(request)
        return allow("seen")

    preview = ChainPreview(AccessChain([fit(note)]), AccessDirectory())
    await preview.decide(ORGANIZATION, phone_number=NUMBER, call=call)
    request = asked[0]
    assert request.purpose == "preview"
    assert request.call is not None
    facts = request.call
    assert (facts.direction, facts.caller_number, facts.called_number) == seen


async def test_a_policy_is_skipped_for_supposed_calls_that_it_is_not_about() -> None:
    about = AppliesTo(call_types=frozenset({"outboundPhoneCall"}))

    @policy(order=50, pure=True, applies_to=about)
    def outbound(request: AccessRequest) -> Verdict:
        return abstain("asked")

    preview = ChainPreview(AccessChain([fit(outbound)]), AccessDirectory())
    reasons = {}
    for call_type in ("inboundPhoneCall", "outboundPhoneCall"):
        call = CallFacts("c", call_type)
        found = await preview.decide(ORGANIZATION, call=call)
        reasons[call_type] = (found.trace[0].effect, found.trace[0].reason)
    assert reasons == {
        "inboundPhoneCall": ("skipped", "not_applicable"),
        "outboundPhoneCall": ("abstain", "asked"),
    }


class ChangingChain:
    """A chain whose policies are arranged anew while they are asked."""

    renewal_grace = timedelta(0)

    def __init__(self) -> None:
        self.arrangement: Any = object()

    async def start(self) -> None:
        """Started already."""

    async def decide(self, request: AccessRequest, **_options: object) -> Decision:
        decision = await AccessChain([]).decide(request, basis="fresh")
        self.arrangement = object()
        return decision


async def test_an_answer_of_the_former_arrangement_is_not_kept_for_the_new_one() -> None:
    chain, directory = ChangingChain(), AccessDirectory()
    preview = ChainPreview(cast("AccessChain", chain), directory)
    known = await preview.evaluate(ORGANIZATION, directory.now())
    assert known.is_outdated(ORGANIZATION, chain.arrangement, directory.now())
