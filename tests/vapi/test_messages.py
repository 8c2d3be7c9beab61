"""Messages in the shapes that Vapi has sent, and in malformed ones."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from service.vapi.messages import MalformedMessageError, ServerMessage, parse_message

DATA = Path(__file__).parents[1] / "data" / "vapi"
CALL_ID = "11111111-aaaa-4aaa-8aaa-000000000001"
NUMBER_ID = "22222222-bbbb-4bbb-8bbb-000000000002"
ASSISTANT_ID = "44444444-dddd-4ddd-8ddd-000000000004"
CONTROL_URL = f"https://phone-call-websocket.example-region.vapi.ai/{CALL_ID}/control"
CALLER = "+15550100001"


def fixture(name: str) -> ServerMessage:
    return parse_message((DATA / f"{name}.json").read_bytes())


def parse(message: dict[str, Any]) -> ServerMessage:
    return parse_message(json.dumps({"message": message}).encode())


def test_minimal_sip_assistant_request_names_call_and_number() -> None:
    assert fixture("assistant-request.sip-minimal") == ServerMessage(
        type="assistant-request",
        has_call=True,
        call_id=CALL_ID,
        call_type="inboundPhoneCall",
        phone_number_ids=(NUMBER_ID,),
        at=datetime(2026, 8, 6, 7, 6, 40, 125000, tzinfo=UTC),
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
    assert fixture("tool-calls.inbound").expects_answer
    assert not fixture("conversation-update.webcall").expects_answer


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
    assert parse({"type": kind}).expects_answer


@pytest.mark.parametrize("kind", ["hang", "status-update", "speech-update", "end-of-call-report"])
def test_these_expect_none(kind: str) -> None:
    assert not parse({"type": kind}).expects_answer


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


@pytest.mark.parametrize(
    "value",
    [0, -1, 1e300, 2**70, True, "yesterday", "9999-99-99", "0001-01-01T00:00:00+14:00", [], {}, ""],
)
def test_insane_timestamps_count_as_absent(value: object) -> None:
    facts = {"timestamp": value, "startedAt": value, "call": {"endedAt": value}}
    message = parse({"type": "hang", **facts})
    assert (message.at, message.started_at, message.ended_at) == (None, None, None)


@pytest.mark.parametrize("value", [None, "1.5", True, [], {}, -0.5, 1e12])
def test_insane_costs_count_as_absent(value: object) -> None:
    assert parse({"type": "end-of-call-report", "cost": value}).cost is None


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 5000 + b".5", b"1e" + b"9" * 5000])
def test_a_number_that_no_double_holds_costs_its_field_and_not_the_message(number: bytes) -> None:
    facts = b",".join(
        b'"%s":%s' % (name, number)
        for name in (b"cost", b"durationSeconds", b"durationMs", b"timestamp", b"startedAt")
    )
    body = b'{"message":{"type":"end-of-call-report",%s,"customer":%s,"call":{"id":"c",%s}}}'
    assert parse_message(body % (facts, number, facts)) == ServerMessage(
        type="end-of-call-report", has_call=True, call_id="c"
    )


@pytest.mark.parametrize("value", [None, 7, "x", [], [{}], True, 1.5])
@pytest.mark.parametrize("place", ["assistant", "customer", "artifact", "monitor", "analysis"])
def test_lenient_parts_of_the_wrong_type_count_as_absent(place: str, value: object) -> None:
    message = parse({"type": "hang", place: value, "call": {"id": "c", place: value}})
    assert message == ServerMessage(type="hang", has_call=True, call_id="c")


@pytest.mark.parametrize("value", [7, "x", [], True, 1.5])
@pytest.mark.parametrize("place", ["call", "phoneNumber"])
def test_identifying_parts_of_the_wrong_type_are_malformed(place: str, value: object) -> None:
    with pytest.raises(MalformedMessageError, match=place):
        parse({"type": "hang", place: value})


@pytest.mark.parametrize("place", ["call", "phoneNumber"])
def test_identifying_parts_may_be_null(place: str) -> None:
    assert parse({"type": "hang", place: None}) == ServerMessage(type="hang")


ID_PLACES = [
    ("call", "id"),
    ("call", "phoneNumberId"),
    ("call", "assistantId"),
    ("phoneNumber", "id"),
    ("assistant", "id"),
]


@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a\x00", "a\r\nb", "é", "\u202ea", "x" * 129, 7, True, [], {}, 2**80, 1.5],
)
@pytest.mark.parametrize("place", ID_PLACES)
def test_unsafe_ids_are_malformed_and_not_repeated(place: tuple[str, str], value: object) -> None:
    outer, inner = place
    with pytest.raises(MalformedMessageError) as caught:
        parse({"type": "hang", outer: {inner: value}})
    assert str(caught.value) == f"message.{outer}.{inner} is not a valid id."


@pytest.mark.parametrize("place", ID_PLACES)
def test_ids_may_be_null_or_up_to_128_characters(place: tuple[str, str]) -> None:
    outer, inner = place
    parse({"type": "hang", outer: {inner: None}})
    message = parse({"type": "hang", outer: {inner: "x" * 128}})
    assert "x" * 128 in (message.call_id, *message.phone_number_ids, *message.assistant_ids)


def test_free_text_is_cleaned_and_cut() -> None:
    message = parse(
        {
            "type": "\u202e hang\x00\r\n ",
            "status": "in\u2066-progress",
            "endedReason": "a\nforged line " + "y" * 10_000,
            "call": {"type": "web\x1bCall"},
            "customer": {"number": "+1555\u202e0100001"},
        }
    )
    assert message.type == "hang"
    assert message.status == "in-progress"
    assert message.call_type == "webCall"
    assert message.caller_number == CALLER
    assert message.ended_reason is not None
    assert message.ended_reason.startswith("aforged line yyy")
    assert len(message.ended_reason) == 200
    assert len(parse({"type": "t" * 5000}).type) == 100


@pytest.mark.parametrize("url", [7, "", "https://a.vapi.ai/\x00", "https://é.vapi.ai/", "h" * 2049])
def test_unusable_control_urls_count_as_absent(url: object) -> None:
    assert parse({"type": "hang", "call": {"monitor": {"controlUrl": url}}}).control_url is None


def test_of_a_key_given_twice_the_last_counts() -> None:
    message = parse_message(
        b'{"message":{"type":"x"},"message":{"type":"a","type":"hang",'
        b'"call":{"id":"c1"},"call":{"id":"c1","\\u0069d":"c2"}}}'
    )
    assert (message.type, message.call_id) == ("hang", "c2")


DEEP = 100_000
TRAPS = {
    "empty": b"",
    "blank": b"  \n",
    "text": b"hello",
    "html": b"<html></html>",
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "no message": b"{}",
    "message null": b'{"message":null}',
    "message list": b'{"message":[]}',
    "message text": b'{"message":"type"}',
    "no type": b'{"message":{}}',
    "type null": b'{"message":{"type":null}}',
    "type empty": b'{"message":{"type":""}}',
    "type blank": b'{"message":{"type":" \\u0000\\u202e "}}',
    "type number": b'{"message":{"type":7}}',
    "type list": b'{"message":{"type":["hang"]}}',
    "half": b'{"message":{"type":"hang"',
    "trailing": b'{"message":{"type":"hang"}} x',
    "two bodies": b'{"message":{"type":"hang"}}{"message":{"type":"hang"}}',
    "trailing nul": b'{"message":{"type":"hang"}}\x00',
    "bom": b'\xef\xbb\xbf{"message":{"type":"hang"}}',
    "utf-16": '{"message":{"type":"hang"}}'.encode("utf-16"),
    "latin-1 ignored": b'{"message":{"type":"hang","note":"caf\xe9"}}',
    "latin-1 key": b'{"message":{"type":"hang","caf\xe9":1}}',
    "overlong": b'{"message":{"type":"hang","note":"\xc0\x80"}}',
    "raw surrogate": b'{"message":{"type":"hang","note":"\xed\xa0\x80"}}',
    "lone surrogate": b'{"message":{"type":"hang","note":"\\ud800"}}',
    "lone surrogate in type": b'{"message":{"type":"\\udfff"}}',
    "lone surrogate in assistant": b'{"message":{"type":"hang","assistant":{"x":"\\ud800"}}}',
    "nan": b'{"message":{"type":"hang","cost":NaN}}',
    "infinity": b'{"message":{"type":"hang","note":-Infinity}}',
    "huge float as id": b'{"message":{"type":"hang","assistant":{"id":1e999}}}',
    "huge integer": b'{"message":{"type":"hang","cost":' + b"1" * DEEP + b"}}",
    "deep": b"[" * DEEP,
    "deep message": b'{"message":{"type":"hang","note":' + b"[" * DEEP,
    "deep and closed": b'{"message":{"type":"hang","note":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep objects": b'{"message":{"type":"hang","call":' + b'{"a":' * DEEP,
    "deep customer": b'{"message":{"type":"hang","customer":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep assistant": b'{"message":{"type":"hang","assistant":' + b"[" * DEEP + b"]" * DEEP + b"}}",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_are_malformed(trap: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_message(TRAPS[trap])


def test_the_fault_is_named_without_sent_keys_or_values() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_message(b'{"message":{"type":"hang","customer":{"sent-key":' + b"1" * DEEP + b"}}}")
    assert str(caught.value) == (
        "The body is not a server message: message.customer has the wrong type or range."
    )
