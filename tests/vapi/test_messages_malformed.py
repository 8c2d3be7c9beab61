"""Messages whose parts are insane, of the wrong type or hostile."""

import pytest

from service.vapi.message_heads import MalformedMessageError
from service.vapi.messages import ServerMessage, parse_message
from tests.support.messages import CALLER, parse


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
        type="end-of-call-report",
        has_call=True,
        call_id="c",
        doubts=("cost", "duration", "started_at"),
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
