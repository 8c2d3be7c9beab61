"""Running calls: their messages, their end, and their API resource."""

from collections.abc import Awaitable, Callable

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi, Webhook
from tests.support.vapi_spec import spec_errors

OpenWebhook = Callable[[], Awaitable[Webhook]]


async def test_a_call_emits_its_life_to_the_numbers_server(
    vapi: SandboxVapi, vapi_api: VapiApi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    assistant = vapi.add_assistant(name="Desk")
    number = vapi.add_number(assistantId=assistant["id"], server={"url": webhook.url})
    call = vapi.place_call(number["id"], caller="+15550100142", duration=6)
    await call.settled()

    assert webhook.types.count("status-update in-progress") == 1
    assert webhook.types.count("status-update ended") == 1
    assert webhook.types.count("end-of-call-report") == 1
    assert {"speech-update", "conversation-update"} <= set(webhook.types)
    assert "assistant-request" not in webhook.types
    assert all(delivery.http_status == 200 for delivery in call.deliveries)

    first = webhook.messages[0]
    assert first["call"]["id"] == call.id
    assert first["call"]["status"] == "ringing"
    assert first["call"]["phoneNumberId"] == first["phoneNumber"]["id"] == number["id"]
    assert first["call"]["monitor"]["controlUrl"] == f"{vapi.base_url}/{call.id}/control"
    assert first["customer"] == {"number": "+15550100142"}
    assert first["assistant"]["id"] == assistant["id"]
    assert isinstance(first["timestamp"], int)
    report = next(item for item in webhook.messages if item["type"] == "end-of-call-report")
    assert report["endedReason"] == "customer-ended-call"
    assert report["startedAt"] < report["endedAt"]
    assert report["cost"] > 0

    read = (await vapi_api.ask("GET", f"/call/{call.id}")).json
    assert read["status"] == "ended"
    assert read["endedReason"] == "customer-ended-call"
    assert spec_errors("Call", read, strict=False) == []


async def test_a_caller_can_leave_and_the_longest_duration_ends_a_call(vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant(maxDurationSeconds=10)
    number = vapi.add_number(assistantId=assistant["id"])
    short, long = vapi.place_call(number["id"]), vapi.place_call(number["id"], duration=60)
    vapi.hang_up(short.id)
    await vapi.settled([short, long])
    assert short.ended_reason == "customer-ended-call"
    assert long.ended_reason == "exceeded-max-duration"


async def test_only_wanted_messages_are_sent(vapi: SandboxVapi, open_webhook: OpenWebhook) -> None:
    webhook = await open_webhook()
    assistant = vapi.add_assistant(serverMessages=["status-update"])
    number = vapi.add_number(assistantId=assistant["id"], server={"url": webhook.url})
    await vapi.place_call(number["id"], duration=3).settled()
    assert set(webhook.types) == {"status-update in-progress", "status-update ended"}


async def test_outbound_and_web_calls_never_ask_for_an_assistant(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    assistant = vapi.add_assistant(server={"url": webhook.url})
    number = vapi.add_number()
    outbound = vapi.place_call(
        number["id"], type="outboundPhoneCall", assistant_id=assistant["id"], duration=1
    )
    web = vapi.place_call(type="webCall", assistant_id=assistant["id"], duration=1)
    await vapi.settled([outbound, web])
    assert "assistant-request" not in webhook.types
    by_call = {message["call"]["id"]: message for message in webhook.messages}
    assert by_call[outbound.id]["call"]["phoneNumberId"] == number["id"]
    assert "phoneNumberId" not in by_call[web.id]["call"]
    assert "phoneNumber" not in by_call[web.id]
    assert "customer" not in by_call[web.id]


async def test_a_slow_server_does_not_hold_up_the_call(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    webhook.delay = 0.5
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"], server={"url": webhook.url})
    call = vapi.place_call(number["id"], duration=5)
    await call.ended(timeout=0.45)
    assert call.live is False


async def test_delete_erases_and_hangs_nobody_up_and_patch_only_renames(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"])
    message = vapi.live_call(number["id"])["message"]
    call = vapi.calls[message["call"]["id"]]
    path = f"/call/{call.id}"

    assert (await vapi_api.ask("PATCH", path, {"status": "ended"})).status == 400
    assert (await vapi_api.ask("PATCH", path, {"name": "Order"})).json["name"] == "Order"
    assert call.live
    assert (await vapi_api.ask("DELETE", path)).status == 200
    assert (await vapi_api.ask("GET", path)).status == 404
    assert call.live
    assert vapi.hangups == []


async def test_calls_are_listed_by_number_and_time(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    first, second = vapi.add_number(), vapi.add_number()
    ids = [vapi.live_call(number["id"])["message"]["call"]["id"] for number in (first, second)]
    vapi.live_call(second["id"])
    of_first = (await vapi_api.ask("GET", f"/call?phoneNumberId={first['id']}")).json
    assert [call["id"] for call in of_first] == ids[:1]
    since = (await vapi_api.ask("GET", f"/call/{ids[1]}")).json["createdAt"]
    assert len((await vapi_api.ask("GET", f"/call?createdAtGt={since}")).json) == 1
    assert len((await vapi_api.ask("GET", "/call?limit=2")).json) == 2


async def test_a_silent_live_call_waits_for_somebody_to_post_its_first_message(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"], server={"url": webhook.url})
    message = vapi.live_call(number["id"])["message"]
    assert (message["type"], message["status"]) == ("status-update", "in-progress")
    call = vapi.calls[message["call"]["id"]]
    assert call.live
    assert message["call"]["monitor"]["controlUrl"] == call.control_url
    assert webhook.messages == []

    reported = vapi.live_call(number["id"], reports_end=True)["message"]["call"]["id"]
    vapi.hang_up(reported)
    await vapi.calls[reported].settled()
    assert sorted(webhook.types) == ["end-of-call-report", "status-update ended"]


async def test_any_message_of_a_call_can_be_sent(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    webhook = await open_webhook()
    webhook.status, webhook.answer = 403, {"reason": "trial_expired"}
    number = vapi.add_number(server={"url": webhook.url})
    call_id = vapi.live_call(number["id"])["message"]["call"]["id"]
    delivery = await vapi.emit(call_id, "tool-calls", toolCallList=[])
    assert delivery is not None
    assert delivery.http_status == 403
    assert delivery.answer_json() == {"reason": "trial_expired"}
    assert webhook.messages[0]["type"] == "tool-calls"


async def test_a_call_needs_what_exists(vapi: SandboxVapi) -> None:
    with pytest.raises(KeyError):
        vapi.place_call("none")
    with pytest.raises(KeyError):
        vapi.place_call(None)
    with pytest.raises(KeyError):
        vapi.place_call(vapi.add_number()["id"], assistant_id="none")


async def test_a_held_call_that_is_hung_up_at_once_stays_ended(
    vapi: SandboxVapi, open_webhook: OpenWebhook
) -> None:
    """The command may come before the call comes to run: it is not connected a second time."""
    webhook = await open_webhook()
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"], server={"url": webhook.url})
    switchboard = vapi.switchboard
    call = switchboard.open_call(
        number["id"], caller="+15550100142", type="inboundPhoneCall", assistant_id=None
    )
    switchboard.attach(call, number)
    switchboard.hold(call, 60)
    assert switchboard.find(call.id) is call
    call.end("assistant-ended-call")
    await call.settled()
    report = next(item for item in webhook.messages if item["type"] == "end-of-call-report")
    assert call.status == "ended"
    assert report["startedAt"] < report["endedAt"]
    assert "status-update in-progress" not in webhook.types
