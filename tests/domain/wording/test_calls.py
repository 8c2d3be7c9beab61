"""Calls and their steps in sentences."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from service.domain.call_events import CallStep, StepKind
from service.domain.wording.calls import STEPS, describe_call_step

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
        (step("ended", reason=None), "Ended: no reason given", "calm"),
        (
            step("message", reply=403),
            "Vapi sent status-update and was refused: access denied",
            "bad",
        ),
        (step("from.a_newer_version"), "From.a newer version", "calm"),
    ],
    ids=lambda value: value.kind if isinstance(value, CallStep) else "",
)
def test_a_step_is_described_with_its_detail(given: CallStep, sentence: str, tone: str) -> None:
    assert describe_call_step(given) == (sentence, tone)
