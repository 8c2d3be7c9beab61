"""Control URLs: which commands end a call, and which keys they need."""

import asyncio
from typing import Any

import pytest

from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from tests.support.vapi import VapiApi
from tests.support.vapi_spec import spec_errors

END = {"type": "end-call"}


def open_line(vapi: SandboxVapi, **assistant: Any) -> SandboxCall:
    """A live call with an assistant."""
    number = vapi.add_number(assistantId=vapi.add_assistant(**assistant)["id"])
    return vapi.calls[vapi.live_call(number["id"])["message"]["call"]["id"]]


async def test_end_call_ends_it_once(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    call = open_line(vapi)
    assert call.control_url
    assert spec_errors("ClientInboundMessageEndCall", END) == []
    reply = await vapi_api.ask("POST", call.control_url, END, key="no key needed")
    assert reply.status == 200
    assert reply.headers["Connection"] == "close"
    assert call.live is False
    assert call.ended_reason == "assistant-ended-call"
    assert [hangup.call_id for hangup in vapi.hangups] == [call.id]
    again = await vapi_api.ask("POST", call.control_url, END)
    assert (again.status, again.headers["Connection"]) == (400, "close")
    assert len(vapi.hangups) == 1
    assert (await vapi_api.ask("GET", f"/call/{call.id}")).json["status"] == "ended"


async def test_a_running_call_stops_talking_at_once(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number(assistantId=vapi.add_assistant()["id"])
    call = vapi.place_call(number["id"], duration=60)
    while call.control_url is None:
        await vapi_api.ask("GET", f"/call/{call.id}")
    await vapi_api.ask("POST", call.control_url, END)
    await call.settled(timeout=0.5)
    assert call.ended_reason == "assistant-ended-call"


async def test_say_is_heard_and_ends_the_call_if_it_shall(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    call = open_line(vapi)
    assert call.control_url
    say = {"type": "say", "content": "One moment."}
    await vapi_api.ask("POST", call.control_url, say)
    assert call.live
    last = say | {"content": "Your plan has ended. Goodbye.", "endCallAfterSpoken": True}
    assert spec_errors("ClientInboundMessageSay", last) == []
    await vapi_api.ask("POST", call.control_url, last)
    assert call.live, "it is spoken first"
    await call.ended()
    assert call.heard == ["One moment.", "Your plan has ended. Goodbye."]
    assert call.ended_reason == "assistant-ended-call-after-message-spoken"
    assert vapi.hangups[0].spoken == "Your plan has ended. Goodbye."


@pytest.mark.parametrize("body", [{}, {"type": "hang-up"}, {"type": "say"}, [], b"end-call"])
async def test_an_unknown_order_is_refused(
    vapi: SandboxVapi, vapi_api: VapiApi, body: object
) -> None:
    call = open_line(vapi)
    assert call.control_url
    assert (await vapi_api.ask("POST", call.control_url, body)).status == 400
    assert call.live


async def test_an_unknown_call_is_400(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    assert (await vapi_api.ask("POST", "/none/control", END)).status == 400


async def test_a_ringing_call_has_no_control_url_yet(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    number = vapi.add_number()
    asked = vapi.live_call(number["id"], kind="assistant-request")["message"]
    assert asked["type"] == "assistant-request"
    assert "monitor" not in asked["call"]
    path = f"/{asked['call']['id']}/control"
    assert (await vapi_api.ask("POST", path, END)).status == 400


async def test_a_monitor_plan_can_switch_control_off_or_ask_for_the_public_key(
    vapi: SandboxVapi, vapi_api: VapiApi
) -> None:
    closed = open_line(vapi, monitorPlan={"controlEnabled": False})
    assert closed.control_url is None
    assert (await vapi_api.ask("POST", f"/{closed.id}/control", END)).status == 400
    guarded = open_line(vapi, monitorPlan={"controlAuthenticationEnabled": True})
    assert guarded.control_url
    assert (await vapi_api.ask("POST", guarded.control_url, END)).status == 401
    reply = await vapi_api.ask("POST", guarded.control_url, END, key=vapi.public_key)
    assert reply.status == 200
    assert (closed.live, guarded.live) == (True, False)


async def test_a_forwarded_call_is_alive(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    call = open_line(vapi)
    destination = {"type": "number", "number": "+15550100123"}
    order = {"type": "transfer", "destination": destination}
    await vapi_api.ask("POST", call.control_url or "", order)
    shown = (await vapi_api.ask("GET", f"/call/{call.id}")).json
    assert (shown["status"], shown.get("endedAt"), call.live) == ("forwarding", None, True)
    vapi.hang_up(call.id)
    assert (await vapi_api.ask("GET", f"/call/{call.id}")).json["status"] == "ended"


async def test_a_young_call_has_not_appeared_yet(vapi: SandboxVapi, vapi_api: VapiApi) -> None:
    vapi.switchboard.appears_after = 0.2
    call = open_line(vapi)
    assert (await vapi_api.ask("GET", f"/call/{call.id}")).status == 404
    assert (await vapi_api.ask("GET", "/call")).json == []
    await asyncio.sleep(0.2)
    assert (await vapi_api.ask("GET", f"/call/{call.id}")).status == 200
    assert [one["id"] for one in (await vapi_api.ask("GET", "/call")).json] == [call.id]
