"""Calls and their steps in sentences."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from service.domain.call_events import CallStep, StepKind
from service.domain.decisions import CallTerms
from service.domain.wording.calls import (
    STEPS,
    describe_call_step,
    describe_diversion,
    describe_terms,
)

DETAIL: dict[str, Any] = {
    "type": "status-update",
    "effect": "deny",
    "reason": "plan_ended",
    "determined_by": "plan",
    "basis": "last_known_good",
    "attempt": 2,
    "error": "timeout",
    "seconds": 4,
    "state": "failed",
    "over": None,
}


def step(kind: str, **detail: object) -> CallStep:
    return CallStep(datetime.now(UTC), kind, {**DETAIL, **detail})


def test_every_kind_of_step_has_a_sentence() -> None:
    assert set(STEPS) == set(get_args(StepKind))


@pytest.mark.parametrize(
    ("given", "sentence", "tone"),
    [
        (
            step("decided"),
            "Blocked by the policy plan from the last known state: plan has ended",
            "bad",
        ),
        (step("hangup.failed"), "Hang-up command 2 failed: timeout", "bad"),
        (step("hangup.looked", over=True), "Vapi reports the call as ended", "good"),
        (step("hangup.looked"), "Vapi did not say whether the call has ended: timeout", "wait"),
        (step("hangup.confirmed", attempts=1), "The hang-up is confirmed", "good"),
        (step("hangup.confirmed", attempts=0), "Vapi confirmed the end", "good"),
        (step("ended", reason=None), "Ended: no reason given", "calm"),
        (
            step("message", reply=403),
            "Vapi sent status-update and was refused: access denied",
            "bad",
        ),
        (
            step("message", answer="error"),
            "Vapi sent status-update and was answered with a sentence for the caller",
            "calm",
        ),
        (step("from.a_newer_version"), "From.a newer version", "calm"),
    ],
    ids=lambda value: value.kind if isinstance(value, CallStep) else "",
)
def test_a_step_is_described_with_its_detail(given: CallStep, sentence: str, tone: str) -> None:
    assert describe_call_step(given) == (sentence, tone)


@pytest.mark.parametrize(
    ("divert_to", "text"),
    [
        ({"assistantId": "desk"}, "the assistant desk"),
        ({"squadId": "desk"}, "the squad desk"),
        ({"workflowId": "desk"}, "the workflow desk"),
        ({"destination": {"type": "number", "number": "+15550100200"}}, "+15550100200"),
        (
            {"destination": {"type": "sip", "sipUri": "sip:desk@example.net"}},
            "sip:desk@example.net",
        ),
        (None, ""),
    ],
)
def test_where_a_call_was_sent_is_named(divert_to: dict[str, Any] | None, text: str) -> None:
    assert describe_diversion(divert_to) == text


def test_what_a_policy_says_of_a_call_is_described() -> None:
    terms = CallTerms("We are closed.", {"assistantId": "desk"}, 90)
    assert describe_terms(terms) == [
        "diverts to the assistant desk",
        "says the message “We are closed.”",
        "the call may last 1 min 30 s",
    ]
    assert describe_terms(CallTerms()) == []
