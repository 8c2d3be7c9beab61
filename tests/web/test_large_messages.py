"""Large messages are answered like small ones, and later ones without a process beside the service."""

import io
from typing import Any

import orjson
import pytest

from service.sandbox.server import SandboxVapi
from service.vapi.reader import HEAD_BYTES, INLINE_BYTES, MessageReader
from tests.support.service import Replica
from tests.support.settings import SECRET, secret_of

TURN = {"role": "user", "message": "A table for four on Friday, please. Grüße!", "time": 1.5}


def large(message: Any, size: int = 2 * INLINE_BYTES) -> Any:
    return {"message": message["message"] | {"messages": [TURN] * (size // 70)}}


@pytest.fixture
async def messages(callgate: Replica, vapi: SandboxVapi) -> dict[str, Any]:
    """A message of a call in progress, of an organization with access and of one without."""
    found = {}
    for name, plan in (("paying", {"code": "pro", "status": "active"}), ("blocked", None)):
        owner = await callgate.add_organization(name)
        if plan:
            await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
        number_id = vapi.add_number(provider="vapi")["id"]
        await callgate.add_number(owner, number_id)
        found[name] = vapi.live_call(number_id)
    return found


def is_started(reader: MessageReader) -> bool:
    """Whether the process beside the service runs."""
    return reader.beside.process is not None


async def answer(callgate: Replica, message: Any) -> Any:
    """The status and the body of the answer to a message; a file is sent piece by piece."""
    body, headers = io.BytesIO(orjson.dumps(message)), {"X-Vapi-Secret": SECRET}
    async with callgate.session.post(
        f"{callgate.url}/api/vapi/webhook", data=body, headers=headers
    ) as response:
        return response.status, await response.json(content_type=None)


async def test_a_later_message_is_answered_alike_at_every_size(
    callgate: Replica, messages: dict[str, Any]
) -> None:
    reader = callgate.service.web.webhook.reader
    for message in messages.values():
        await callgate.post(message)
        small = await answer(callgate, message)
        for size in (INLINE_BYTES, 2 * INLINE_BYTES, 5_000_000):
            assert await answer(callgate, large(message, size)) == small
        assert not is_started(reader)
        assert await answer(callgate, large(message, 2 * HEAD_BYTES)) == small
        assert is_started(reader)
        await reader.close()


async def test_a_first_message_is_read_as_a_whole_at_every_size(
    callgate: Replica, messages: dict[str, Any]
) -> None:
    assert (await callgate.post(large(messages["paying"]))).status == 200
    assert (await callgate.post(large(messages["blocked"]))).status == 403
    for name, message in messages.items():
        call = await callgate.call(message["message"]["call"]["id"])
        assert call["blocked"] is (name == "blocked")
        assert call["type"] == "inboundPhoneCall"


async def test_the_end_of_a_call_is_recorded_from_a_large_report(
    callgate: Replica, messages: dict[str, Any]
) -> None:
    message = messages["paying"]
    await callgate.post(message)
    report = {"type": "end-of-call-report", "endedReason": "customer-ended-call", "cost": 0.25}
    ended = {"message": message["message"] | report}
    assert (await callgate.post(large(ended))).status == 200
    call = await callgate.call(message["message"]["call"]["id"])
    assert (call["status"], call["ended_reason"], call["cost"]) == (
        "ended",
        "customer-ended-call",
        0.25,
    )


async def test_a_large_message_of_another_organizations_secret_is_refused(
    callgate: Replica, messages: dict[str, Any]
) -> None:
    paying = messages["paying"]
    await callgate.post(paying)
    items = (await callgate.api("GET", "/organizations")).json["items"]
    other = next(one["id"] for one in items if one["name"] == "blocked")
    refused = await callgate.post(large(paying), secret=secret_of(other))
    assert (refused.status, refused.json["code"]) == (401, "wrong_organization")
