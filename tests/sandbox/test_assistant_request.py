"""The assistant-request: when it is sent, and the outcome of each answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.vapi import TIME_SCALE, Webhook

OpenWebhook = Callable[[], Awaitable[Webhook]]
FALLBACK = {"type": "number", "number": "+15550100190"}


async def test_an_error_is_spoken_and_ends_the_call(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    webhook.answer = {"error": "This number is not in service.", "assistantId": "ignored"}
    number = vapi.add_number(server={"url": webhook.url})
    call = vapi.place_call(number["id"])
    await call.settled()
    assert call.heard == ["This number is not in service."]
    assert call.ended_reason == "assistant-request-returned-error"
    assert call.seconds_connected == 0
    asked = webhook.messages[0]
    assert asked["type"] == "assistant-request"
    assert asked["call"]["status"] == "ringing"
    assert asked["call"]["assistantId"] is None
    assert "monitor" not in asked["call"]


@pytest.mark.parametrize("kind", ["assistantId", "squadId", "workflowId", "assistant"])
async def test_whoever_is_named_joins_the_call(
    vapi: SandboxVapi, open_webhook: OpenWebhook, kind: str
) -> None:
    webhook = await open_webhook()
    named: dict[str, Any] = {
        "assistantId": vapi.add_assistant()["id"],
        "squadId": vapi.add_squad()["id"],
        "workflowId": vapi.add_workflow()["id"],
        "assistant": {"name": "Transient", "firstMessage": "Hello."},
    }
    webhook.answers = [(200, {kind: named[kind]})]
    number = vapi.add_number(server={"url": webhook.url})
    call = vapi.place_call(number["id"], duration=2)
    await call.settled()
    assert webhook.types[:2] == ["assistant-request", "status-update in-progress"]
    assert call.ended_reason == "customer-ended-call"
    assert call.seconds_connected > 0


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (200, {"assistantId": "none"}, "assistant-request-returned-invalid-assistant"),
        (200, {"assistantId": 7}, "assistant-request-returned-invalid-assistant"),
        (200, {"squadId": "none"}, "assistant-request-returned-invalid-assistant"),
        (200, {"assistant": "Desk"}, "assistant-request-returned-invalid-assistant"),
        (
            200,
            {"assistant": {"maxDurationSeconds": 1}},
            "assistant-request-returned-invalid-assistant",
        ),
        (200, b"<html>", "assistant-request-returned-invalid-assistant"),
        (200, [], "assistant-request-returned-invalid-assistant"),
        (200, {}, "assistant-request-returned-no-assistant"),
        (200, {"error": {"code": 7}}, "assistant-request-returned-unspeakable-error"),
        (200, {"error": ""}, "assistant-request-returned-unspeakable-error"),
        (403, {"reason": "trial_expired"}, "assistant-request-returned-unspeakable-error"),
        (500, {}, "assistant-request-returned-unspeakable-error"),
        (302, {}, "assistant-request-returned-unspeakable-error"),
    ],
)
async def test_an_answer_that_names_nobody_ends_the_call(
    vapi: SandboxVapi, open_webhook: OpenWebhook, status: int, answer: object, reason: str
) -> None:
    webhook = await open_webhook()
    webhook.answers = [(status, answer)]
    number = vapi.add_number(server={"url": webhook.url}, fallbackDestination=FALLBACK)
    call = vapi.place_call(number["id"])
    await call.settled()
    assert call.ended_reason == reason
    assert len(call.heard) == 1
    assert call.forwarded_to is None
    assert sorted(webhook.types) == [
        "assistant-request",
        "end-of-call-report",
        "status-update ended",
    ]


async def test_a_destination_forwards_the_caller(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    webhook.answers = [(200, {"destination": FALLBACK})]
    call = vapi.place_call(vapi.add_number(server={"url": webhook.url})["id"])
    await call.settled()
    assert call.forwarded_to == FALLBACK
    assert call.ended_reason == "assistant-request-returned-forwarding-phone-number"


@pytest.mark.parametrize("fallback", [FALLBACK, None])
async def test_a_dead_server_falls_back_or_ends_the_call(
    vapi: SandboxVapi, unused_tcp_port: int, fallback: Any
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/vapi"
    number = vapi.add_number(server={"url": url}, fallbackDestination=fallback)
    call = vapi.place_call(number["id"])
    await call.settled()
    assert call.ended_reason == "assistant-request-failed"
    assert call.forwarded_to == fallback
    assert len(call.heard) == (0 if fallback else 1)


async def test_a_late_answer_is_no_answer(open_webhook: OpenWebhook) -> None:
    vapi = SandboxVapi(time_scale=TIME_SCALE, timeout_scale=0.02)
    await vapi.start()
    try:
        webhook = await open_webhook()
        webhook.delay, webhook.answer = 0.6, {"error": "Too late."}
        server = {"url": webhook.url, "timeoutSeconds": 300}
        call = vapi.place_call(vapi.add_number(server=server)["id"])
        await call.ended(timeout=0.5)
        assert call.ended_reason == "assistant-request-failed"
        assert call.deliveries[0].error == "TimeoutError"
    finally:
        await vapi.stop()


async def test_without_any_server_nobody_is_asked(vapi: SandboxVapi) -> None:
    call = vapi.place_call(vapi.add_number()["id"])
    await call.settled()
    assert call.ended_reason == "call-start-error-neither-assistant-nor-server-set"
    assert call.deliveries == []


async def test_overrides_move_the_events_and_limit_the_call(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    gate, customer = await open_webhook(), await open_webhook()
    assistant = vapi.add_assistant(server={"url": customer.url})
    overrides = {"server": {"url": gate.url}, "maxDurationSeconds": 10}
    gate.answers = [(200, {"assistantId": assistant["id"], "assistantOverrides": overrides})]
    call = vapi.place_call(vapi.add_number(server={"url": gate.url})["id"], duration=60)
    await call.settled()
    assert call.ended_reason == "exceeded-max-duration"
    assert customer.messages == []
    assert gate.types[:2] == ["assistant-request", "status-update in-progress"]
