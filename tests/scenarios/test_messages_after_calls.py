"""Vapi's messages about the data of a call that is over begin no call."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.vapi.message_types import AFTERWARDS
from tests.support.service import Replica, Start

PLAN = {"code": "pro", "status": "active"}


def later(kind: str, call: Any) -> dict[str, Any]:
    return {"message": {"type": kind, "call": call}}


async def register(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """A paying organization and Vapi's id of its number."""
    owner, number = await callgate.add_organization(), vapi.add_number(provider="vapi")["id"]
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    await callgate.add_number(owner, number)
    return owner, number


@pytest.mark.parametrize("kind", sorted(AFTERWARDS))
async def test_one_of_an_unknown_call_is_answered_and_not_recorded(
    callgate: Replica, vapi: SandboxVapi, kind: str
) -> None:
    """A call of before the installation, or one whose record was deleted with its caller."""
    owner, number = await register(callgate, vapi)
    call = {"id": "an-old-call", "type": "inboundPhoneCall", "phoneNumberId": number}
    assert (await callgate.post(later(kind, call))).status == 200
    await callgate.api("DELETE", f"/organizations/{owner}/plan")
    answer = await callgate.post(later(kind, call))
    assert (answer.status, answer.json["reason"]) == (403, "no_plan_or_trial")
    assert (await callgate.api("GET", "/calls")).json["items"] == []
    assert vapi.hangups == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_one_of_a_recorded_call_is_answered_by_its_decision(
    start_replica: Start, vapi: SandboxVapi, *, restarted: bool
) -> None:
    callgate = await start_replica()
    owner, number = await register(callgate, vapi)
    first = vapi.live_call(number)
    assert (await callgate.post(first)).status == 200
    call = first["message"]["call"]
    await callgate.post(later("end-of-call-report", call))
    await callgate.api("DELETE", f"/organizations/{owner}/plan")
    if restarted:
        callgate = await start_replica()
    assert (await callgate.post(later("call.artifact.upload", call))).status == 200
    assert (await callgate.call(call["id"]))["status"] == "ended"
