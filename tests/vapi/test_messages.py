"""Messages in the shapes that Vapi has sent, and in malformed ones."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from service.vapi.messages import ServerMessage, parse_message
from tests.support.messages import CALLER, parse

DATA = Path(__file__).parents[1] / "data" / "vapi"


CALL_ID = "11111111-aaaa-4aaa-8aaa-000000000001"


NUMBER_ID = "22222222-bbbb-4bbb-8bbb-000000000002"


ASSISTANT_ID = "44444444-dddd-4ddd-8ddd-000000000004"


CONTROL_URL = f"https://phone-call-websocket.example-region.vapi.ai/{CALL_ID}/control"


def fixture(name: str) -> ServerMessage:
    return parse_message((DATA / f"{name}.json").read_bytes())


def test_minimal_sip_assistant_request_names_call_and_number() -> None:
    assert fixture("assistant-request.sip-minimal") == ServerMessage(
        type="assistant-request",
        has_call=True,
        call_id=CALL_ID,
        call_type="inboundPhoneCall",
        phone_number_ids=(NUMBER_ID,),
        at=datetime(2026, 8, 6, 7, 6, 40, 125000, tzinfo=UTC),
        created_at=datetime(2026, 8, 6, 7, 6, 40, 100000, tzinfo=UTC),
    )


def test_iso_and_numeric_timestamps_are_read() -> None:
    assert fixture("assistant-request.twilio-2024").at == datetime(
        2024, 7, 1, 10, 0, 0, 250000, tzinfo=UTC
    )
    assert fixture("assistant-request.twilio-2025").at == datetime(
        2025, 3, 15, 0, 53, 20, 375000, tzinfo=UTC
    )


def test_a_number_named_twice_counts_once() -> None:
    message = fixture("assistant-request.twilio-2025")
    assert message.phone_number_ids == (NUMBER_ID,)
    assert message.caller_number == CALLER


def test_status_update_in_progress_brings_the_control_url_and_the_live_status() -> None:
    message = fixture("status-update.in-progress")
    assert message.status == "in-progress"
    assert message.control_url == CONTROL_URL
    assert message.assistant_ids == (ASSISTANT_ID,)
    assert message.cost == 0
    assert not message.ends_call


def test_status_update_ended_ends_the_call() -> None:
    message = fixture("status-update.ended")
    assert message.ends_call
    assert message.ended_reason == "customer-ended-call"


def test_outbound_calls_carry_the_number_they_go_out_by() -> None:
    message = fixture("status-update.ended-outbound")
    assert (message.call_type, message.phone_number_ids) == ("outboundPhoneCall", (NUMBER_ID,))


def test_excerpts_without_a_call_are_messages_without_a_call() -> None:
    ended = fixture("status-update.ended-without-call")
    assert (ended.has_call, ended.call_id, ended.ends_call) == (False, None, True)
    speech = fixture("speech-update.excerpt")
    assert (speech.has_call, speech.phone_number_ids, speech.ends_call) == (False, (), False)


def test_early_report_ends_the_call_without_figures() -> None:
    message = fixture("end-of-call-report.2024")
    assert message.ends_call
    assert (message.started_at, message.duration_seconds, message.cost) == (None, None, None)


def test_later_report_brings_times_duration_and_cost() -> None:
    message = fixture("end-of-call-report.2025")
    assert message.started_at == datetime(2025, 6, 9, 20, 13, 20, tzinfo=UTC)
    assert message.ended_at == datetime(2025, 6, 9, 20, 13, 50, 500000, tzinfo=UTC)
    assert (message.duration_seconds, message.cost) == (30.5, Decimal("0.0625"))
    assert message.phone_number_ids == ()


def test_tool_calls_expect_an_answer_and_conversation_updates_do_not() -> None:
    assert fixture("tool-calls.inbound").is_asked
    assert not fixture("conversation-update.webcall").is_asked


def test_the_literal_transcript_type_passes() -> None:
    assert fixture("transcript.final").type == 'transcript[transcriptType="final"]'


@pytest.mark.parametrize("kind", ["chat.created", "session.updated", "something-new", "x" * 100])
def test_unknown_types_pass(kind: str) -> None:
    assert parse({"type": kind}).type == kind


@pytest.mark.parametrize(
    "kind",
    [
        "assistant-request",
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "handoff-destination-request",
        "knowledge-base-request",
        "campaign.predial",
        "voice-request",
        "call.endpointing.request",
    ],
)
def test_these_expect_an_answer(kind: str) -> None:
    assert parse({"type": kind}).is_asked


@pytest.mark.parametrize("kind", ["hang", "status-update", "speech-update", "end-of-call-report"])
def test_these_expect_none(kind: str) -> None:
    assert not parse({"type": kind}).is_asked


@pytest.mark.parametrize(
    ("kind", "status", "ends"),
    [
        ("status-update", "ended", True),
        ("status-update", "in-progress", False),
        ("status-update", None, False),
        ("speech-update", "ended", False),
        ("hang", None, False),
        ("end-of-call-report", None, True),
    ],
)
def test_what_ends_a_call(kind: str, status: str | None, ends: bool) -> None:
    assert parse({"type": kind, "status": status}).ends_call is ends


def test_the_snapshot_in_the_call_is_not_the_live_status() -> None:
    message = parse({"type": "status-update", "call": {"id": "c", "status": "ended"}})
    assert message.status is None
    assert not message.ends_call


def test_different_ids_are_kept_in_order() -> None:
    message = parse(
        {
            "type": "hang",
            "call": {"phoneNumberId": "n1", "assistantId": "a1"},
            "phoneNumber": {"id": "n2"},
            "assistant": {"id": "a2"},
        }
    )
    assert message.phone_number_ids == ("n1", "n2")
    assert message.assistant_ids == ("a1", "a2")


def test_ids_in_metadata_and_artifact_are_never_read() -> None:
    lure = {"id": "evil", "phoneNumberId": "evil", "assistantId": "evil"}
    message = parse(
        {
            "type": "hang",
            "metadata": lure,
            "artifact": {"call": lure, "phoneNumber": lure},
            "call": {"id": "c", "metadata": lure, "assistantOverrides": {"metadata": lure}},
        }
    )
    assert (message.call_id, message.phone_number_ids, message.assistant_ids) == ("c", (), ())


def test_facts_of_the_end_are_also_found_in_the_call() -> None:
    message = parse(
        {
            "type": "end-of-call-report",
            "call": {
                "startedAt": "2026-01-01T00:00:00Z",
                "endedAt": "2026-01-01T01:00:10+01:00",
                "endedReason": "silence-timed-out",
                "cost": 1.5,
            },
        }
    )
    assert message.ended_at == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert message.duration_seconds == 10
    assert (message.ended_reason, message.cost) == ("silence-timed-out", Decimal("1.5"))


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"durationSeconds": 3, "durationMs": 9000}, 3),
        ({"durationSeconds": "3", "durationMs": 9000}, 9),
        ({"durationSeconds": -1, "durationMs": 9000}, 9),
        ({"durationMs": True}, None),
        ({"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:02Z"}, 2),
        ({"startedAt": "2026-01-01T00:00:02Z", "endedAt": "2026-01-01T00:00:00Z"}, None),
        ({"durationSeconds": 1e12}, None),
    ],
)
def test_duration_comes_from_the_best_sane_source(
    facts: dict[str, Any], seconds: float | None
) -> None:
    assert parse({"type": "end-of-call-report", **facts}).duration_seconds == seconds
