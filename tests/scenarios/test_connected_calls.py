"""A later message shows a call connected: its record says so before its end."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.scenarios.test_call_records import message_of, paying_number
from tests.support.service import Replica, eventually


async def test_a_later_message_shows_a_call_connected_before_its_end(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    first = message_of(vapi, number, kind="assistant-request")
    call_id = first["message"]["call"]["id"]
    assert (await callgate.post(first)).status == 200
    told = {"type": "status-update", "status": "in-progress", "assistant": {"id": "assistant-9"}}
    later = {"message": {**first["message"], **told}}
    assert (await callgate.post(later)).status == 200

    async def connected() -> Any:
        call = await callgate.call(call_id)
        return call["connected"] and (call["assistant_id"], call["status"])

    assert await eventually(connected) == ("assistant-9", "in-progress")
    assert (await callgate.post(later)).status == 200
    assert not callgate.service.access.gate.recorder.connected.waiting, "one write a call"
