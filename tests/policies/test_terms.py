"""What a verdict says beside yes and no: only what Vapi takes passes."""

from dataclasses import FrozenInstanceError, replace

import pytest

from policies import AccessRequest, Effect, Verdict, deny, policy
from policies.host.diversions import answer_of
from policies.testing import PolicyTestError, evaluate, request

ASSISTANT = {"assistantId": "9f1c5a1e-2f0b-4c1d-8e7f-0a1b2c3d4e5f"}
SIP = {"destination": {"type": "sip", "sipUri": "sip:desk@example.net"}}
DESK = {
    "destination": {
        "type": "number",
        "number": "+15550100200",
        "message": "One moment.",
        "extension": "12",
        "callerId": "{{customer.number}}",
    }
}


def asked(verdict: Verdict) -> Verdict:
    @policy(order=50, pure=True)
    def says(_request: AccessRequest) -> Verdict:
        return verdict

    return evaluate(says, request())


@pytest.mark.parametrize("divert_to", ["+15550100200", ASSISTANT, {"squadId": "s"}, DESK, SIP])
def test_a_diversion_in_words_of_vapi_passes(divert_to: object) -> None:
    assert asked(deny("closed", divert_to=divert_to)).divert_to == divert_to  # type: ignore[arg-type]


def test_a_number_is_answered_as_a_transfer() -> None:
    number = {"type": "number", "number": "+15550100200"}
    assert answer_of("+15550100200") == {"destination": number}
    assert answer_of(ASSISTANT) == ASSISTANT


@pytest.mark.parametrize(
    "divert_to",
    [
        "",
        "5550100200",
        "sip:desk@example.net",
        7,
        [],
        {},
        {"assistantId": ""},
        {"assistantId": "a b"},
        {"assistantId": 7},
        {"assistantId": "a", "squadId": "b"},
        {"assistant": {"model": {}}},
        {"error": "no"},
        {"destination": "+15550100200"},
        {"destination": {"type": "number"}},
        {"destination": {"type": "number", "number": "1234"}},
        {"destination": {"type": "number", "number": "+15550100200", "transferPlan": {}}},
        {"destination": {"type": "number", "number": "+15550100200", "message": "a" * 1001}},
        {"destination": {"type": "assistant", "assistantName": "desk"}},
        {"destination": {"type": "sip", "sipUri": "https://example.net"}},
        {"destination": {"type": [], "number": "+15550100200"}},
    ],
)
def test_any_other_diversion_is_a_failure(divert_to: object) -> None:
    with pytest.raises(PolicyTestError, match="bad_divert_to"):
        asked(deny("closed", divert_to=divert_to))  # type: ignore[arg-type]


def test_a_message_is_spoken_on_one_line() -> None:
    given = deny("closed", message=" Sorry,\n{organization} is closed\u00a0today: {date}. ")
    assert asked(given).message == "Sorry, {organization} is closed today: {date}."


@pytest.mark.parametrize("message", ["", "  ", "Hello {name}", "a}", "\x00", "a" * 1001, 7, b"x"])
def test_a_message_that_no_voice_can_speak_is_a_failure(message: object) -> None:
    with pytest.raises(PolicyTestError, match="bad_message"):
        asked(deny("closed", message=message))  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "60", True])
def test_a_length_that_is_no_number_is_a_failure(seconds: object) -> None:
    with pytest.raises(PolicyTestError, match="bad_max_duration"):
        asked(deny("closed", max_duration_seconds=seconds))  # type: ignore[arg-type]


def test_a_diversion_that_changes_later_is_not_followed() -> None:
    kept = {"assistantId": "one"}
    verdict = asked(deny("closed", divert_to=kept))
    kept["assistantId"] = "two"
    assert verdict.divert_to == {"assistantId": "one"}


def test_a_plain_verdict_is_like_any_other() -> None:
    built = deny("closed")
    assert built == Verdict(Effect.DENY, "closed")
    assert hash(built) == hash(Verdict(Effect.DENY, "closed"))
    assert repr(built) == repr(Verdict(Effect.DENY, "closed"))
    assert replace(built, note="why") == deny("closed", note="why")
    with pytest.raises(FrozenInstanceError):
        built.reason = "open"  # type: ignore[misc]
    with pytest.raises(TypeError):
        deny("closed", mesage="misspelt")  # type: ignore[call-arg]
