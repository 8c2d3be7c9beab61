"""Calls of numbers that are not registered, with CALLGATE_UNKNOWN_CALLS=hang_up; calls that last too
long, with CALLGATE_MAX_CALL_SECONDS."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.claims import add_rivals, changed
from tests.support.service import Replica, Start, eventually


@pytest.fixture
async def strict(start_replica: Start) -> Replica:
    return await start_replica(callgate_unknown_calls="hang_up")


def unknown_call(vapi: SandboxVapi) -> tuple[Any, Any]:
    """A live call of a number that is not registered, and its message."""
    assistant = vapi.add_assistant(name="A")["id"]
    message = vapi.live_call(vapi.add_number(provider="vapi", assistantId=assistant)["id"])
    return vapi.calls[message["message"]["call"]["id"]], message


async def test_an_unknown_call_is_answered_as_before_and_hung_up(
    strict: Replica, vapi: SandboxVapi
) -> None:
    call, message = unknown_call(vapi)
    answer = await strict.post(message)
    assert (answer.status, answer.json["code"]) == (404, "unknown_phone_number")
    await eventually(lambda: asyncio.sleep(0, not call.live))

    async def confirmed() -> Any:
        stored = await strict.call(call.id)
        return stored if stored["hangup"]["state"] == "confirmed" else None

    stored = await eventually(confirmed)
    assert (stored["blocked"], stored["status"], stored["organization_id"]) == (
        True,
        "failed",
        None,
    )


async def test_a_call_of_another_account_is_left_alone(strict: Replica, vapi: SandboxVapi) -> None:
    call, message = unknown_call(vapi)
    message["message"]["call"]["id"] = str(uuid4())  # with the control URL of a live call
    assert (await strict.post(message)).status == 404
    await asyncio.sleep(1.0)
    assert call.live
    assert vapi.requests("POST */control") == []


async def test_a_forged_unknown_number_does_not_stop_a_paying_call(
    strict: Replica, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, strict)
    call, message = rivals.call(rivals.paying_number)
    forged = changed(message, vapi.add_number(provider="vapi")["id"], assistant=None)
    forged["message"]["call"]["assistantId"] = None
    assert (await strict.post(forged)).status == 404
    await rivals.owned(call, rivals.paying)
    await rivals.settled(call)
    assert (await strict.post(message)).status == 200
    assert call.live


async def test_an_unknown_call_without_a_message_is_found_in_vapis_list(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    strict = await start_replica(callgate_unknown_calls="hang_up", callgate_call_watch_interval=0.2)
    strict.service.access.watch.grace = timedelta(0)
    call, _ = unknown_call(vapi)
    await eventually(lambda: asyncio.sleep(0, not call.live))


async def test_a_granted_call_has_a_longest_length(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(callgate_max_call_seconds=10)
    rivals = await add_rivals(vapi, callgate)
    request = vapi.live_call(rivals.paying_number, kind="assistant-request")
    answer = await callgate.post(request)
    assert answer.json["assistantOverrides"]["maxDurationSeconds"] == 10
    call, message = rivals.call(rivals.paying_number)
    assert (await callgate.post(message)).status == 200
    cutter, age = callgate.service.access.cutter, "now() - interval '{} seconds'"
    update = "UPDATE callgate.calls SET created_at = {} WHERE vapi_call_id = $1"
    pool = callgate.service.pool
    await pool.execute(update.format(age.format(14)), call.id)
    await cutter.cut_calls()
    assert (await rivals.record(call))["cut_at"] is None
    await pool.execute(update.format(age.format(16)), call.id)
    cutter.wake()
    await rivals.hung_up(call)
    stored = await rivals.record(call)
    assert (stored["cut_reason"], stored["blocked"]) == ("longest_call", False)
