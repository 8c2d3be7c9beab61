"""The steps of a call, in order, and never with a secret or a control URL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.admin.calls.story import CallStories, order_steps, own_steps
from service.domain.call_events import CallStep
from service.domain.call_records.details import CallDetails
from service.domain.calls import NOT_FOUND, Call, Hangup, HangupState
from service.domain.decisions import CallTerms
from service.domain.wording.calls import (
    describe_call,
    describe_call_step,
    describe_end,
    describe_ended,
    describe_message,
)
from service.sandbox.server import SandboxVapi
from service.store import beside
from service.web.panel.calls.views import call_view, state_of
from tests.support.calls import new_call
from tests.support.service import Replica, eventually


async def test_a_blocked_calls_story_is_told_from_its_first_message_to_its_end(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number)
    call_id = message["message"]["call"]["id"]
    assert (await callgate.post(message)).status == 403

    async def told() -> list[Any] | None:
        row = await callgate.call(call_id)
        answer = await callgate.api("GET", f"/calls/{row['id']}/events")
        kinds = [item["kind"] for item in answer.json["items"]]
        return answer.json["items"] if "hangup.confirmed" in kinds else None

    steps = await eventually(told)
    kinds = [step["kind"] for step in steps]
    assert {"message", "decided", "hangup.sent", "hangup.looked", "hangup.confirmed"} <= set(kinds)
    assert kinds[:2] == ["message", "decided"]
    # The end that the command brought about follows it, although Vapi's instant is a moment earlier.
    end = kinds.index("ended")
    assert kinds.index("hangup.sent") < end
    assert {"over": False} not in [step["detail"] for step in steps[end:]]
    assert describe_ended(steps[end]["detail"]) == ("Ended by the hang-up command", "good")
    first = steps[0]
    assert (first["detail"]["first"], first["detail"]["reply"]) == (True, 403)
    text = str(steps)
    for secret in (
        message["message"]["call"]["monitor"]["controlUrl"],
        (message["message"]["call"].get("customer") or {}).get("number") or "+1999",
    ):
        assert secret not in text


async def test_steps_that_postgresql_does_not_take_wait_and_are_bounded(
    callgate: Replica,
) -> None:
    writer = callgate.service.access.events
    for number in range(beside.LIMIT + 5):
        writer.record(f"call-{number}", "hangup.sent", {"attempt": 1})
    assert writer.dropped == 5

    async def written() -> bool:
        return not writer.waiting

    await eventually(written)
    count = await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.call_events")
    assert count == beside.LIMIT


async def test_a_late_message_stands_where_it_arrived_and_says_how_late_it_was(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """It did not bring about the decision that was made before it came."""
    owner = await callgate.add_organization("Bakery")
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    first: Any = vapi.live_call(number)
    call = first["message"]["call"]
    assert (await callgate.post(first)).status == 403
    sent = (datetime.now(UTC) - timedelta(seconds=45)).timestamp() * 1000
    late = {"type": "status-update", "status": "forwarding", "timestamp": sent, "call": call}
    assert (await callgate.post({"message": late})).status == 403

    async def told() -> list[Any] | None:
        row = await callgate.call(call["id"])
        steps = (await callgate.api("GET", f"/calls/{row['id']}/events")).json["items"]
        return steps if any(step["detail"].get("late_seconds") for step in steps) else None

    steps = await eventually(told)
    places = {step["detail"].get("status") or step["kind"]: at for at, step in enumerate(steps)}
    assert places["decided"] < places["forwarding"]
    found = steps[places["forwarding"]]
    assert 44 < found["detail"]["late_seconds"] < 90
    assert "before it arrived" in describe_message(found["detail"])[0]
    assert "late_seconds" not in steps[0]["detail"]


async def test_the_end_of_a_refused_call_is_told_as_our_refusal_and_not_as_an_error(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number, gate="request")
    call = vapi.place_call(number, duration=5)
    await call.settled(20)
    assert call.refusal is not None

    async def ended() -> Any:
        row = await callgate.call(call.id)
        return row if row and row["ended_at"] else None

    row = await eventually(ended)
    story = await CallStories(callgate.service.pool).get(UUID(row["id"]))
    (end,) = [step for step in story.steps if step.kind == "ended"]
    assert "heard the blocked message" in describe_ended(end.detail)[0]
    assert "error" in describe_ended({**end.detail, "refused": False})[0]
    view = call_view(story, whole=True)
    assert "Vapi confirmed the end; no hang-up was needed." in view.lead
    assert (view.hangup.text, view.attempts) == ("Refused", "none needed")


def told_order(call: Call, milliseconds: dict[str, int]) -> list[str]:
    """The kinds of a call's steps in the order that people read, noted so long after the decision."""
    noted = [
        CallStep(
            call.decision.decided_at + timedelta(milliseconds=late),
            kind,
            {"first": True} if kind == "message" else {},
        )
        for kind, late in milliseconds.items()
    ]
    noted.sort(key=lambda step: step.at)
    return [step.kind for step in order_steps([*noted, *own_steps(call)[:1]], call)]


def test_steps_follow_the_decision_that_brought_them_about_although_another_clock_timed_them() -> (
    None
):
    call = blocked_call()
    early = {"hangup.looked": -12, "hangup.sent": -3, "message": 250, "hangup.confirmed": 300}
    wanted = ["message", "decided", "hangup.looked", "hangup.sent", "hangup.confirmed"]
    assert told_order(call, early) == wanted
    # Steps before the decision that follows a correction, or long before any, stand where they were.
    corrected = {"hangup.sent": -12, "owner.corrected": -3, "hangup.waiting": 100}
    assert told_order(call, corrected) == [
        "hangup.sent",
        "owner.corrected",
        "decided",
        "hangup.waiting",
    ]
    assert told_order(call, {"hangup.sent": -5000}) == ["hangup.sent", "decided"]


def blocked_call(**given: object) -> Call:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": uuid4(),
        "vapi_call_id": "call",
        "organization_id": uuid4(),
        "phone_number_id": None,
        "type": "inboundPhoneCall",
        "status": "failed",
        "blocked": True,
        "reason": "trial_expired",
        "gate": "event",
        "decision": new_call("call", allowed=False).decision,
        "hangup": None,
        "started_at": now,
        "ended_at": now,
        "ended_reason": None,
        "duration_seconds": None,
        "cost": None,
        "created_at": now,
    }
    return Call(**{**values, **given})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"gate": "ring", "ended_reason": "call.ringing.hook-executed-say"},
            "Ended: the caller heard the blocked message, and Vapi closed the line",
        ),
        (
            {"ended_reason": "assistant-ended-call", "hangup": Hangup(HangupState.CONFIRMED, 1)},
            "Ended by the hang-up command",
        ),
        (
            {"ended_reason": "assistant-ended-call", "hangup": Hangup(HangupState.CONFIRMED)},
            "Ended: assistant ended call",
        ),
        (
            {"ended_reason": "customer-ended-call", "hangup": Hangup(HangupState.CONFIRMED, 2)},
            "Ended: customer ended call",
        ),
        (
            {
                "gate": "request",
                "ended_reason": "assistant-request-returned-forwarding-phone-number",
                "decision": replace(
                    new_call("call", allowed=False).decision,
                    terms=CallTerms(divert_to={"destination": {"number": "+12025550147"}}),
                ),
            },
            "Ended for Vapi: the call went on where it was sent",
        ),
    ],
    ids=["ring", "hung up", "no command", "caller first", "diverted"],
)
def test_an_end_that_is_our_own_is_told_as_such(given: dict[str, Any], sentence: str) -> None:
    """Vapi names the hook, the assistant and the forwarding, not that Callgate asked for them."""
    (end,) = [step for step in own_steps(blocked_call(**given)) if step.kind == "ended"]
    assert describe_ended(end.detail)[0] == sentence


@pytest.mark.parametrize(
    ("state", "ended", "verb"),
    [
        (HangupState.PENDING, False, "is ending"),
        (HangupState.FAILED, False, "tried to end"),
        (HangupState.UNCONFIRMED, False, "tried to end"),
        (HangupState.CONFIRMED, True, "ended"),
    ],
)
def test_a_call_that_is_cut_off_has_ended_only_once_vapi_says_so(
    state: HangupState, ended: bool, verb: str
) -> None:
    now = datetime.now(UTC)
    cut = blocked_call(
        blocked=False,
        status="in-progress",
        cut_at=now,
        cut_reason="plan_ended",
        ended_at=now if ended else None,
        hangup=Hangup(state, 1),
    )
    lead = f"Callgate {verb} this call because the access of Bakery ended: plan has ended."
    assert describe_call(cut, "Bakery") == lead
    (step,) = [step for step in own_steps(cut) if step.kind == "cut"]
    assert describe_call_step(step)[0].startswith("Hang-up ordered because the access ended")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"gate": "ring"}, "It ended while it rang."),
        (
            {"blocked": False, "status": "ended"},
            "It ended; its duration was not reported.",
        ),
        ({"blocked": False, "duration_seconds": 61.0}, "It ended after 1 min 1 s."),
        (
            {"blocked": False, "ended_reason": NOT_FOUND, "duration_seconds": None},
            "Vapi no longer knows it, so when it ended is not known.",
        ),
    ],
)
def test_a_duration_is_said_only_where_it_is_known(given: dict[str, Any], sentence: str) -> None:
    assert describe_end(blocked_call(**given)) == sentence


def test_a_call_that_vapi_no_longer_knew_is_not_said_to_be_hung_up() -> None:
    talked = {"hangup": Hangup(HangupState.CONFIRMED, 2), "details": CallDetails(connected=True)}
    for reason, state in ((NOT_FOUND, "Ended"), ("assistant-ended-call", "Hung up")):
        assert state_of(blocked_call(ended_reason=reason, **talked)).text == state
