"""Rules about callers: lists, anonymous callers, and calls of one caller."""

from typing import Any

import pytest

from policies import CallFacts, Effect, Verdict, abstain
from policies.caller_rules import CallerRulesPolicy
from policies.host.callers import canonical_caller
from policies.testing import PolicyTestError, conformance, evaluate, request

BLOCK = {"block": ["+1 555 010-0200", "+1900*", "sip:Bot@example.net"]}


def call(caller: str | None, **facts: Any) -> CallFacts:
    return CallFacts("call", "inboundPhoneCall", caller, direction="inbound", **facts)


def answer(rules: dict[str, Any], caller: str | None, **facts: Any) -> Verdict:
    return evaluate(CallerRulesPolicy(), request(call=call(caller, **facts)), settings=rules)


def test_conforms() -> None:
    conformance(CallerRulesPolicy(), settings=BLOCK)


@pytest.mark.parametrize(
    ("caller", "blocked"),
    [
        ("+15550100200", True),
        ("001 (555) 010-0200", True),
        ("+15550100201", False),
        ("+19005550100", True),
        ("+18005550100", False),
        ("sip:bot@example.net", True),
        ("bot@example.net", True),
        ("sip:other@example.net", False),
        (None, False),
        ("anonymous", False),
    ],
)
def test_the_block_list(caller: str | None, blocked: bool) -> None:
    verdict = answer(BLOCK, caller)
    assert (verdict.reason == "caller_blocked") == blocked
    assert (verdict.effect is Effect.DENY) == blocked


@pytest.mark.parametrize(
    ("listed", "caller", "blocked", "allowed"),
    [
        ("+1555*", "sip:+15550100200@evil.example", True, False),
        ("+15550100200", "sip:+15550100200@carrier.example", True, False),
        ("+15550100200", "sips:+15550100200;ext=1@carrier.example;user=phone", True, False),
        ("+15550100200", "0015550100200@carrier.example", True, False),
        ("+15550100200", "sip:+15550100201@carrier.example", False, False),
        ("+15550100200", "sip:bot@carrier.example", False, False),
        ("+15550100200@desk.example", "sip:+15550100200@desk.example", True, True),
        ("sip:+15550100200@desk.example", "+15550100200@desk.example", True, True),
        ("+15550100200@desk.example", "sip:+15550100200@evil.example", False, False),
        ("+15550100200@desk.example", "+15550100200", False, False),
        ("+15550100200", "tel:+1-555-010-0200", True, True),
        ("+1555*", "tel:+15550100200;ext=7", True, True),
        ("tel:+1-555-010-0200", "+15550100200", True, True),
        ("bot@example.net", "sip:bot@example.net:5061;transport=tcp?x=1", True, True),
        ("sip:bot@example.net:5060;user=phone", "bot;tag=1@example.net", True, True),
        ("bot@[2001:db8::1]", "sip:bot:secret@[2001:db8::1]:5080", True, True),
        ("bot@example.net", "sip:bot@example.net;maddr=a@b", True, True),
        ("bot@example.net", "sip:bot@example.network", False, False),
    ],
)
def test_the_number_in_an_address_blocks_a_call_and_allows_none(
    listed: str, caller: str, blocked: bool, allowed: bool
) -> None:
    assert (answer({"block": [listed]}, caller).reason == "caller_blocked") == blocked
    only = answer({"only_allowed": True, "allow": [listed]}, caller)
    assert only.reason == (None if allowed else "caller_not_allowed")


@pytest.mark.parametrize(
    "caller", [None, "", "Anonymous", "+266696687", "sip:anonymous@x", "withheld"]
)
def test_callers_that_hide_their_number(caller: str | None) -> None:
    assert answer({"block_anonymous": True}, caller).reason == "caller_anonymous"
    assert answer({"only_allowed": True}, caller).reason == "caller_anonymous"
    assert answer(BLOCK, caller) == abstain()


def test_the_allow_list_goes_before_all_rules() -> None:
    rules = {**BLOCK, "allow": ["+19005550100"], "calls_per_hour": 0}
    assert answer(rules, "+19005550100").effect is Effect.ABSTAIN
    assert answer(rules, "+19005550101").reason == "caller_blocked"
    only = {"only_allowed": True, "allow": ["+1555*"]}
    assert answer(only, "+15550100200").effect is Effect.ABSTAIN
    assert answer(only, "+14440100200").reason == "caller_not_allowed"


def test_calls_of_one_caller() -> None:
    rules = {"calls_per_hour": 3, "calls_per_day": 10, "message": "Enough for now."}
    few = {"earlier_calls_hour": 2, "earlier_calls_today": 9}
    assert answer(rules, "+15550100200", **few) == abstain()
    for more in ({"earlier_calls_hour": 3}, {"earlier_calls_today": 10}):
        verdict = answer(rules, "+15550100200", **{**few, **more})
        assert (verdict.reason, verdict.message) == ("caller_too_often", "Enough for now.")
    unknown = answer(rules, "+15550100200")
    assert unknown == abstain(note="the caller's earlier calls are unknown")
    assert answer(rules, None) == abstain()


def test_only_inbound_calls_are_asked_about() -> None:
    out = CallFacts("call", "outboundPhoneCall", "+19005550100", direction="outbound")
    for asked in (request(), request(call=out), request(call=CallFacts("call"))):
        assert evaluate(CallerRulesPolicy(), asked, settings=BLOCK) == abstain()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "not_configured|give"),
        ({"allow": ["+15550100200"]}, "give"),
        ({"block": ["5550100200"]}, "block"),
        ({"block": ["+1900"]}, "block"),
        ({"block": ["*"]}, "block"),
        ({"calls_per_hour": -1}, "calls_per_hour"),
        ({"blocked": []}, "blocked"),
    ],
)
def test_settings_that_do_not_fit_are_named(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyTestError, match=words):
        answer(rules, "+15550100200")


def test_one_form_of_each_number() -> None:
    assert canonical_caller("0044 20 7946 0018") == "+442079460018"
    assert canonical_caller("12345") is None
