"""Bad input at the webhook: a clear 4xx or the table's answer, nothing connected, nothing changed."""

import contextlib
import gzip
import io
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start
from tests.support.settings import SECRET

HEADERS = {"X-Vapi-Secret": SECRET}


async def post(callgate: Replica, body: bytes, headers: Any = None) -> int:
    async with callgate.session.post(
        f"{callgate.url}/api/vapi/webhook", data=io.BytesIO(body), headers=headers or HEADERS
    ) as response:
        await response.read()
        return response.status


async def calls(callgate: Replica) -> int:
    return len((await callgate.api("GET", "/calls")).json["items"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"message": []}',
        b'{"message": {}}',
        b'{"message": {"type": 5}}',
        b'{"message": {"type": ""}}',
        b"\xef\xbb\xbf{}",
        b'{"message": {"type": "hang", "x": "\xff"}}',
        b'{"message": {"type": "hang", "call": "x"}}',
        b'{"message": {"type": "hang", "call": {"id": 7}}}',
        b'{"message": {"type": "hang", "call": {"id": "a\\u0000b"}}}',
        b'{"message": {"type": "hang", "call": {"id": "a\\r\\nb"}}}',
        b'{"message": {"type": "hang", "call": {"phoneNumberId": {}}}}',
        b'{"message": {"type": "hang", "x": "\\ud800"}}',
        b'{"message": {"type": "hang", "cost": NaN}}',
        b"[" * 100_000,
        b'{"message": {"type": "hang", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
)
async def test_what_is_no_message_is_told_so(callgate: Replica, body: bytes) -> None:
    assert await post(callgate, body) == 400
    assert await calls(callgate) == 0


@pytest.mark.parametrize(
    "message",
    [
        {"type": "chat.created", "chat": {"id": "x"}},
        {"type": "session.updated"},
        {"type": "speech-update", "status": "started"},
        {"type": "brand-new-thing", "call": {"id": "c1", "phoneNumberId": "nobody"}},
        {"type": "status-update", "status": "ended", "call": None},
    ],
)
async def test_what_concerns_no_call_of_ours_is_accepted(
    callgate: Replica, message: dict[str, Any]
) -> None:
    answer = await callgate.post({"message": message})
    assert (answer.status, answer.json) == (200, {})


async def test_a_new_kind_of_message_of_a_blocked_call_is_refused_like_any(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number_id)
    message = vapi.live_call(number_id)
    message["message"]["type"] = "brand-new-thing"
    assert (await callgate.post(message)).status == 403


async def test_doubled_and_missing_secrets(callgate: Replica) -> None:
    body = b'{"message": {"type": "hang"}}'
    doubled = [("X-Vapi-Secret", SECRET), ("X-Vapi-Secret", SECRET)]
    assert await post(callgate, body, CIMultiDict(doubled)) == 401
    assert await post(callgate, body, {"X-Other": "1"}) == 401
    assert await post(callgate, body, {"X-Vapi-Secret": "wrong"}) == 401
    assert await post(callgate, body) == 200


async def test_a_body_over_the_limit_is_refused_and_a_large_one_taken(start_replica: Start) -> None:
    callgate = await start_replica()
    filler = b"x" * (8 * 2**20)
    body = b'{"message": {"type": "hang", "transcript": "' + filler + b'"}}'
    assert await post(callgate, body) == 200
    assert await post(callgate, b" " * (40 * 2**20)) == 413

    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 2**20

    async with callgate.session.post(
        f"{callgate.url}/api/vapi/webhook", data=chunks(), headers=HEADERS
    ) as response:
        assert response.status == 413
    assert await post(callgate, b" " * (40 * 2**20), {"X-Vapi-Secret": "wrong"}) == 401


async def test_a_compressed_body_stays_compressed(callgate: Replica) -> None:
    body = gzip.compress(b'{"message": {"type": "hang"}}')
    assert await post(callgate, body, {**HEADERS, "Content-Encoding": "gzip"}) == 415
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        counted = 'callgate_webhook_messages_total{status="415",type="none"} 1.0'
        assert counted in await response.text()


async def test_other_methods_and_paths(callgate: Replica) -> None:
    async with callgate.session.get(f"{callgate.url}/api/vapi/webhook") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
    async with callgate.session.get(f"{callgate.url}/nothing") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
CALL = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("id", "type", "phoneNumberId", "assistantId", "monitor", "customer", "cost"), JSON
    ),
)
MESSAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["status-update", "assistant-request", "hang", "end-of-call-report"])},
    optional={
        "call": CALL | JSON,
        "phoneNumber": JSON,
        "assistant": JSON,
        "status": JSON,
        "timestamp": JSON,
        "cost": JSON,
        "endedReason": JSON,
    },
)


async def test_any_message_gets_an_answer_and_never_a_500(callgate: Replica) -> None:
    """Wrong types in every field."""
    bodies: list[bytes] = []

    @settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
    @given(message=MESSAGE)
    def collect(message: dict[str, Any]) -> None:
        with contextlib.suppress(TypeError, orjson.JSONEncodeError):
            bodies.append(orjson.dumps({"message": message}))

    collect()
    assert len(bodies) > 50
    for body in bodies:
        assert await post(callgate, body) in (200, 400, 404), body


async def test_probes_and_metrics(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    organization_id = await callgate.add_organization()
    await callgate.add_number(organization_id, number_id)
    message = vapi.live_call(number_id)
    await callgate.post(message)
    for path in ("/healthz", "/readyz"):
        async with callgate.session.get(callgate.url + path) as response:
            assert response.status == 200
    async with callgate.session.get(f"{callgate.url}/metrics") as response:
        text = await response.text()
    assert 'callgate_webhook_messages_total{status="403",type="status-update"} 1.0' in text
    for secret in (organization_id, number_id, message["message"]["call"]["id"]):
        assert secret not in text
