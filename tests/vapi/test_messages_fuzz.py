"""Whatever arrives, parsing answers with a safe message or with one kind of error."""

import json
import math
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from service.vapi.message_heads import MalformedMessageError
from service.vapi.messages import ServerMessage, parse_message

SAFE_ID = re.compile(r"[\x21-\x7e]{1,128}")
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["ended", "status-update", "2026-01-01T00:00:00Z", 1777907410000, 10**400]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def objects(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of the named keys, each of its own kind or of any."""
    optional = {key: st.one_of(kind, VALUES) for key, kind in parts.items()}
    return st.one_of(st.fixed_dictionaries({}, optional=optional), VALUES)


IDS = st.one_of(st.uuids().map(str), st.text(max_size=140))
TIMES = st.one_of(st.integers(0, 4 * 10**12), st.datetimes().map(lambda at: at.isoformat()))
CUSTOMER = objects(number=st.text(max_size=50))
CALLS = objects(
    id=IDS,
    type=st.text(max_size=50),
    phoneNumberId=IDS,
    assistantId=IDS,
    monitor=objects(controlUrl=st.text(max_size=50)),
    customer=CUSTOMER,
    startedAt=TIMES,
    endedAt=TIMES,
    endedReason=st.text(max_size=300),
    cost=st.floats(),
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.one_of(st.text(min_size=1, max_size=120), VALUES)},
    optional={
        "call": CALLS,
        "phoneNumber": objects(id=IDS),
        "assistant": objects(id=IDS),
        "customer": CUSTOMER,
        "status": st.one_of(st.text(max_size=50), VALUES),
        "timestamp": st.one_of(TIMES, VALUES),
        "startedAt": st.one_of(TIMES, VALUES),
        "endedAt": st.one_of(TIMES, VALUES),
        "endedReason": st.one_of(st.text(max_size=300), VALUES),
        "durationSeconds": st.one_of(st.floats(), VALUES),
        "durationMs": st.one_of(st.floats(), VALUES),
        "cost": st.one_of(st.floats(), VALUES),
    },
)


def parse(body: bytes) -> ServerMessage | None:
    try:
        return parse_message(body)
    except MalformedMessageError:
        return None


def assert_safe(message: ServerMessage) -> None:
    """Everything that could be stored, logged or compared is harmless."""
    for value in (message.call_id, *message.phone_number_ids, *message.assistant_ids):
        assert value is None or SAFE_ID.fullmatch(value)
    assert message.type
    for text, limit in (
        (message.type, 100),
        (message.call_type, 40),
        (message.status, 40),
        (message.caller_number, 40),
        (message.ended_reason, 200),
        (message.control_url, 2048),
    ):
        assert text is None or (len(text) <= limit and not UNSAFE.search(text))
    assert message.cost is None or message.cost.is_finite()
    assert message.duration_seconds is None or math.isfinite(message.duration_seconds)
    for at in (message.at, message.started_at, message.ended_at):
        assert at is None or (at.tzinfo is not None and 2015 <= at.year < 2100)


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    message = parse(body)
    if message is not None:
        assert_safe(message)


@given(st.binary(max_size=30), st.integers(0, 200), st.integers(0, 30))
def test_a_message_with_bytes_replaced(noise: bytes, start: int, dropped: int) -> None:
    body = (
        b'{"message":{"type":"status-update","status":"ended","timestamp":1777907410000,"call":'
        b'{"id":"c","phoneNumberId":"n","monitor":{"controlUrl":"https://x.vapi.ai/control"}}}}'
    )
    message = parse(body[:start] + noise + body[start + dropped :])
    if message is not None:
        assert_safe(message)


@given(MESSAGES)
@example({"type": "a", "endedAt": "9999-12-31T23:59:59-23:59"})
@example({"type": "a", "timestamp": math.nan})
def test_objects_with_anything_in_each_field(raw: dict[str, Any]) -> None:
    message = parse(json.dumps({"message": raw}).encode())
    if message is not None:
        assert_safe(message)
