"""Hooks of a phone number: blocking while it rings, forwarding when our answer fails."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi, Webhook

OpenWebhook = Callable[[], Awaitable[Webhook]]
SAY = {"type": "say", "exact": "This number is not in service."}
DESTINATION = {"type": "number", "number": "+15550100190"}


def ending(*reasons: str) -> dict[str, Any]:
    rule = {"type": "oneOf", "key": "call.endedReason", "oneOf": list(reasons)}
    return {
        "on": "call.ending",
        "filters": [rule],
        "do": {"type": "transfer", "destination": DESTINATION},
    }


async def test_a_ringing_hook_speaks_and_ends_the_call_before_anything(
    vapi: SandboxVapi, vapi_api: VapiApi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    assistant = vapi.add_assistant()
    number = vapi.add_number(assistantId=assistant["id"], server={"url": webhook.url})
    hooks = [{"on": "call.ringing", "do": [SAY, {"type": "say", "exact": "Never said."}]}]
    body = {"provider": "vapi", "hooks": hooks}
    assert (await vapi_api.ask("PATCH", f"/phone-number/{number['id']}", body)).status == 200
    call = vapi.place_call(number["id"])
    await call.settled()
    assert call.heard == ["This number is not in service."]
    assert call.ended_reason == "call.ringing.hook-executed-say"
    assert call.seconds_connected == 0
    assert call.deliveries == []
    assert webhook.messages == []


@pytest.mark.parametrize(("caller", "blocked"), [("+15550100142", True), ("+441632960", False)])
async def test_a_ringing_hook_can_be_for_some_callers(
    vapi: SandboxVapi, caller: str, blocked: bool
) -> None:
    rule = {"type": "startsWith", "key": "number", "startsWith": ["+1", "+49"]}
    hook = {"on": "call.ringing", "filters": [rule], "do": [SAY]}
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"], hooks=[hook])
    call = vapi.place_call(number["id"], caller=caller, duration=1)
    await call.settled()
    assert (call.ended_reason == "call.ringing.hook-executed-say") is blocked


@pytest.mark.parametrize(
    ("hook", "forwarded"),
    [
        (ending("assistant-request-failed"), True),
        (ending("assistant-request-returned-no-assistant"), False),
    ],
)
async def test_an_ending_hook_forwards_after_the_reasons_it_names(
    vapi: SandboxVapi, unused_tcp_port: int, hook: dict[str, Any], forwarded: bool
) -> None:
    server = {"url": f"http://127.0.0.1:{unused_tcp_port}/"}
    call = vapi.place_call(vapi.add_number(server=server, hooks=[hook])["id"])
    await call.settled()
    if forwarded:
        assert call.forwarded_to == DESTINATION
        assert call.ended_reason == "call.ending.hook-executed-transfer"
    else:
        assert call.forwarded_to is None
        assert call.ended_reason == "assistant-request-failed"


async def test_an_ending_hook_leaves_a_conversation_alone(vapi: SandboxVapi) -> None:
    hook = ending("assistant-request-failed")
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"], hooks=[hook])
    call = vapi.place_call(number["id"], duration=1)
    await call.settled()
    assert call.ended_reason == "customer-ended-call"
    assert call.forwarded_to is None
