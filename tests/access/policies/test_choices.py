"""What operators choose: modes, the operator's order, effect of a failure and timeout, settings."""

from typing import ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel

from policies import AccessRequest, Verdict, abstain, allow, deny
from policies.host.registration import RegisteredPolicy, UnfitPolicyError, fit_policy
from policies.testing import request
from service.access.policies.chain import AccessChain
from service.access.policies.conditions import list_ailing
from service.domain.decisions import Decision, TraceEntry
from service.domain.policies.choices import NONE_CHOSEN, GeneralChoice, OwnChoice, OwnChoices


def policy(
    name: str, verdict: Verdict, order: int = 50, *, raises: bool = False
) -> RegisteredPolicy:
    def evaluate(_request: AccessRequest) -> Verdict:
        if raises:
            raise ValueError(name)
        return verdict

    return RegisteredPolicy(name, order, evaluate, "third-party", "1", pure=True)


DENYING = policy("denying", deny("closed"), 10)
GRANTING = policy("granting", allow("open"), 20)


class MostSeats(BaseModel):
    most: int
    name: str = "seats"


class Seats:
    """Denies organizations with more seats than their own settings allow."""

    name = "seats"
    order = 5
    pure = True
    settings = MostSeats
    seen: ClassVar[list[object]] = []

    def evaluate(self, asked: AccessRequest) -> Verdict:
        self.seen.append(asked.settings)
        return abstain() if asked.settings.most > 3 else deny("too_many_seats")


class OptIn:
    """Denies every organization that has chosen it."""

    name = "opt_in"
    order = 5
    pure = True
    opt_in = True

    def evaluate(self, _request: AccessRequest) -> Verdict:
        return deny("chosen")


def chain_of(*policies: RegisteredPolicy, **choices: GeneralChoice) -> AccessChain:
    chain = AccessChain(policies)
    chain.choices.take(choices, 0)
    return chain


async def decide(chain: AccessChain, own: OwnChoices = NONE_CHOSEN) -> Decision:
    return await chain.decide(request(), basis="fresh", own=own)


def entry(decision: Decision, name: str) -> TraceEntry:
    return next(one for one in decision.trace if one.policy == name)


@pytest.mark.parametrize("mode", ["off", "shadow"])
async def test_a_mode_for_all_is_obeyed_unless_an_organization_has_its_own(mode: str) -> None:
    chain = chain_of(DENYING, GRANTING, denying=GeneralChoice(mode))  # type: ignore[arg-type]
    decision = await decide(chain)
    assert (decision.allowed, decision.reason) == (True, "open")
    assert [one.policy for one in decision.trace] == ["denying", "granting"]
    assert entry(decision, "denying").effect == "skipped"
    assert (await decide(chain, {"denying": OwnChoice("enforce")})).reason == "closed"
    assert (await decide(chain, {"denying": OwnChoice()})).reason == "open"
    enforced = chain_of(DENYING, GRANTING)
    assert (await decide(enforced, {"denying": OwnChoice(mode)})).reason == "open"  # type: ignore[arg-type]


async def test_a_choice_that_comes_later_holds_for_the_next_decision() -> None:
    chain = chain_of(DENYING, GRANTING)
    assert (await decide(chain)).reason == "closed"
    chain.choices.take({"denying": GeneralChoice("off")}, 2)
    chain.choices.take({}, 1)
    assert (await decide(chain)).reason == "open"
    chain.choices.take({}, 3)
    assert (await decide(chain)).reason == "closed"


async def test_the_order_of_the_operator_takes_the_place_of_the_policys_own() -> None:
    chain = chain_of(DENYING, GRANTING, denying=GeneralChoice(order=30))
    assert (await decide(chain)).reason == "open"
    assert [(one.name, one.order) for one in chain.describe()] == [
        ("granting", 20),
        ("denying", 30),
    ]


async def test_the_effect_of_a_failure_and_the_timeout_are_the_operators() -> None:
    failing = policy("failing", abstain(), raises=True)
    choice = GeneralChoice(on_failure="deny", timeout_seconds=1.5)
    chain = chain_of(failing, GRANTING, failing=choice)
    chain.choices.take({"failing": choice, "granting": GeneralChoice(order=90)}, 1)
    decision = await decide(chain)
    assert (decision.allowed, decision.reason) == (False, "policy_failed")
    (described,) = (one for one in chain.describe() if one.name == "failing")
    assert (described.on_failure, described.timeout_seconds) == ("deny", 1.5)
    chain.choices.take({}, 2)
    assert (await decide(chain)).allowed


async def test_the_override_of_an_admin_cannot_be_switched_off_and_stays_first() -> None:
    override = RegisteredPolicy(
        "admin_override", 0, lambda _: deny("fraud"), "callgate", "1", pure=True, veto=True
    )
    chain = chain_of(
        override,
        GRANTING,
        admin_override=GeneralChoice("off", order=1000),
        granting=GeneralChoice(order=-1000),
    )
    assert (await decide(chain, {"admin_override": OwnChoice("off")})).reason == "fraud"
    assert chain.evaluators[0].policy.name == "admin_override"


async def test_a_share_is_the_same_organizations_each_time_and_grows() -> None:
    tenth, half = GeneralChoice("shadow", 0.1), GeneralChoice("shadow", 0.5)
    ids = [UUID(int=number) for number in range(2000)]
    in_tenth = {one for one in ids if tenth.mode_for("quota", one) == "shadow"}
    in_half = {one for one in ids if half.mode_for("quota", one) == "shadow"}
    assert 140 < len(in_tenth) < 260
    assert 900 < len(in_half) < 1100
    assert in_tenth < in_half
    assert {half.mode_for("quota", one) for one in ids} == {"shadow", "off"}
    assert in_half != {one for one in ids if half.mode_for("hours", one) == "shadow"}


async def test_settings_of_an_organization_are_merged_over_the_environments() -> None:
    environment = {"CALLGATE_POLICY_SEATS_NAME": "chairs"}
    chain = AccessChain([fit_policy(Seats(), "third-party", "1", environment), GRANTING])
    asleep = await decide(chain)
    assert (asleep.reason, entry(asleep, "seats").reason) == ("open", "not_configured")
    assert (
        await decide(chain, {"seats": OwnChoice(settings={"most": 2})})
    ).reason == "too_many_seats"
    assert Seats.seen[-1] == MostSeats(most=2, name="chairs")
    assert (await decide(chain, {"seats": OwnChoice(settings={"most": 9})})).reason == "open"


async def test_stored_settings_that_the_model_refuses_count_as_a_failure() -> None:
    chain = AccessChain([fit_policy(Seats(), "third-party", "1", {}), GRANTING])
    decision = await decide(chain, {"seats": OwnChoice(settings={"most": "many"})})
    refused = entry(decision, "seats")
    assert (refused.effect, refused.reason, refused.counted_as) == (
        "failed",
        "settings_refused",
        "abstain",
    )
    assert decision.reason == "open"
    assert not chain.evaluators[0].health.suspended
    (found,) = list_ailing(chain)
    assert found.kind == "policy_settings_refused"
    assert found.text == "The policy seats refuses the settings of organizations: 1."
    await decide(chain, {"seats": OwnChoice(settings={"most": 9})})
    assert not list(list_ailing(chain))


async def test_an_opt_in_policy_sleeps_until_an_organization_chooses_it() -> None:
    chain = AccessChain([fit_policy(OptIn(), "third-party", "1", {}), GRANTING])
    asleep = await decide(chain)
    assert (asleep.reason, entry(asleep, "opt_in").reason) == ("open", "not_configured")
    assert (await decide(chain, {"opt_in": OwnChoice("enforce")})).reason == "chosen"
    assert (await decide(chain, {"opt_in": OwnChoice(settings={})})).reason == "chosen"


def test_opt_in_is_a_flag() -> None:
    candidate = OptIn()
    candidate.opt_in = "yes"  # type: ignore[assignment]
    with pytest.raises(UnfitPolicyError, match="opt_in 'yes' is not True or False"):
        fit_policy(candidate, "third-party", "1", {})


async def test_choices_for_a_policy_that_is_gone_change_nothing() -> None:
    chain = chain_of(GRANTING, gone=GeneralChoice("off"))
    assert (await decide(chain, {"lost": OwnChoice("off", {"a": 1})})).reason == "open"
