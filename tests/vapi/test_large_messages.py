"""The head of a large message is that of the same message read as a whole."""

from typing import Any

import orjson
import pytest

from service.vapi.message_heads import MalformedMessageError, decode, read_head
from service.vapi.reader import INLINE_BYTES, read_large_head

CALL: dict[str, Any] = {
    "id": "CALL-1",
    "phoneNumberId": "0B9E7F10-52D0-4D39-8FD2-8C3C4A4EE1A5",
    "phoneNumber": {"id": "number-2", "number": "+15550100002"},
    "assistantId": "assistant-1",
    "monitor": {"controlUrl": "https://phone.vapi.ai/1/control"},
    "customer": {"number": "+15550100001"},
}
MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "hang"},
    {"type": "status-update", "status": "in-progress", "call": CALL, "timestamp": 1764245732123},
    {"type": "speech-update", "call": None, "phoneNumber": {"id": "number-3"}, "status": 7},
    {"type": "conversation-update", "call": {}, "assistant": {"id": "assistant-2", "model": {}}},
    {"type": "transcript", "call": CALL, "assistant": "none", "timestamp": "2026-11-27T12:00:00Z"},
)
TURNS = [{"role": "user", "message": "Grüße", "time": 1.5}] * 100


@pytest.mark.parametrize("message", MESSAGES)
def test_it_is_that_of_the_whole_message(message: dict[str, Any]) -> None:
    small = orjson.dumps({"message": message})
    large = orjson.dumps(
        {"message": message | {"messages": TURNS, "costs": [[]], "customer": TURNS}}
    )
    for body in (small, large):
        assert read_large_head(body) == read_head(decode(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"message":[]}',
        b'{"message":{}}',
        b'{"message":{"type":7}}',
        b'{"message":{"type":"hang","call":"x"}}',
        b'{"message":{"type":"hang","call":{"id":7}}}',
        b'{"message":{"type":"hang","call":{"phoneNumber":[]}}}',
        b'{"message":{"type":"hang","phoneNumber":7}}',
        b'{"message":{"type":"hang","assistant":{"id":7}}}',
        b'{"message":{"type":"hang","messages":[1,}}',
        b'{"message":{"type":"hang"}} 1',
        b"[" * 100_000,
        b'{"message":{"type":"hang","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
)
def test_what_is_malformed_is_refused_in_the_same_words(body: bytes) -> None:
    with pytest.raises(MalformedMessageError) as whole:
        read_head(decode(body))
    with pytest.raises(MalformedMessageError) as head:
        read_large_head(body)
    assert str(head.value) == str(whole.value)


def test_of_a_repeated_key_the_last_one_counts() -> None:
    body = b'{"message":{"type":"hang","call":{"id":"a"},"type":"x","call":{"id":"b","id":"c"}}}'
    head = read_large_head(body)
    assert head is not None
    assert (head.type, head.call_id) == ("x", "c")


def test_a_head_that_is_large_itself_is_left_alone() -> None:
    call = CALL | {"monitor": {"controlUrl": "x" * INLINE_BYTES}}
    assert read_large_head(orjson.dumps({"message": {"type": "hang", "call": call}})) is None
