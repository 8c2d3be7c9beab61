"""The event gate beyond the plain hang-up: a goodbye, calls whose access ends, missed events."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually

PLAN = {"code": "pro", "status": "active"}
MESSAGE = "Calls are off. Goodbye."


async def registered(
    callgate: Replica, vapi: SandboxVapi, *, paying: bool, **handling: object
) -> tuple[str, str]:
    """An organization and its number, which an assistant answers."""
    owner = await callgate.add_organization(blocked_message=MESSAGE, handling=handling)
    if paying:
        await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    assistant = vapi.add_assistant(name="Order taker")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, number_id)
    return owner, number_id


async def closed(callgate: Replica, call_id: str) -> Any:
    """The record of a call once its end is known."""

    async def ended() -> Any:
        stored = await callgate.call(call_id)
        return stored if stored and stored["ended_at"] else None

    return await eventually(ended)


async def test_a_blocked_caller_hears_a_goodbye_before_the_line_goes_dead(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await registered(callgate, vapi, paying=False, goodbye=True)
    call = vapi.place_call(number_id, duration=600)
    await call.settled()
    assert call.heard == [MESSAGE]
    assert call.ended_reason == "assistant-ended-call-after-message-spoken"
    assert [hangup.spoken for hangup in vapi.hangups] == [MESSAGE]
    stored = await closed(callgate, call.id)
    assert (stored["blocked"], stored["gate"], stored["status"]) == (True, "event", "failed")
    assert stored["hangup"]["state"] == "confirmed"
    assert 0 <= stored["lived_seconds"] < 10


async def test_a_goodbye_that_vapi_does_not_take_is_no_reason_to_let_it_talk(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await registered(callgate, vapi, paying=False, goodbye=True)
    vapi.fail_next("POST /*/control", status=500)
    call = vapi.place_call(number_id, duration=600)
    await call.settled()
    assert call.ended_reason == "assistant-ended-call"
    assert call.heard == []


async def test_a_goodbye_that_is_a_lie_is_followed_by_a_hang_up(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await registered(callgate, vapi, paying=False, goodbye=True)
    vapi.fail_next("POST /*/control", lie=True)
    message = vapi.live_call(number_id, reports_end=True)
    call = vapi.calls[message["message"]["call"]["id"]]
    assert (await callgate.post(message)).status == 403
    assert (await callgate.post(message)).status == 403
    await call.settled(15)
    assert call.ended_reason == "assistant-ended-call"


async def test_calls_end_with_the_access_where_the_organization_wants_that(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    ending, first = await registered(callgate, vapi, paying=True, when_access_ends="hang_up")
    finishing, second = await registered(callgate, vapi, paying=True)
    calls = []
    for number_id in (first, second):
        message = vapi.live_call(number_id, reports_end=True)
        assert (await callgate.post(message)).status == 200
        calls.append(vapi.calls[message["message"]["call"]["id"]])
    for owner in (ending, finishing):
        await callgate.api("DELETE", f"/organizations/{owner}/plan")

    async def cut() -> bool:
        return not calls[0].live

    await eventually(cut, 1.0)
    stored = await closed(callgate, calls[0].id)
    assert (stored["blocked"], stored["cut_reason"]) == (False, "no_plan_or_trial")
    assert stored["cut_at"] is not None
    assert stored["decision"]["effect"] == "allow"
    await asyncio.sleep(0.3)
    assert calls[1].live, "a call may finish unless its organization says otherwise"
    vapi.hang_up(calls[1].id)


async def test_calls_end_at_the_moment_the_trial_does(callgate: Replica, vapi: SandboxVapi) -> None:
    owner, number_id = await registered(callgate, vapi, paying=False, when_access_ends="hang_up")
    ends_at = datetime.now(UTC) + timedelta(seconds=1.5)
    await callgate.api("PUT", f"/organizations/{owner}/trial", {"ends_at": ends_at.isoformat()})
    message = vapi.live_call(number_id, reports_end=True)
    assert (await callgate.post(message)).status == 200
    call = vapi.calls[message["message"]["call"]["id"]]

    async def over() -> bool:
        return not call.live

    await eventually(over, 3.0)
    assert datetime.now(UTC) >= ends_at
    assert (await closed(callgate, call.id))["cut_reason"] == "trial_expired"


async def test_two_replicas_cut_a_call_once(start_replica: Start, vapi: SandboxVapi) -> None:
    first = await start_replica()
    second = await start_replica(vapi_webhook_url=f"{first.url}/api/vapi/webhook")
    owner, number_id = await registered(first, vapi, paying=True, when_access_ends="hang_up")
    # A change holds at once on the replica that made it, on the others a moment later.
    directory = second.service.access.directory
    await eventually(lambda: asyncio.sleep(0, number_id in directory.numbers))
    message = vapi.live_call(number_id, reports_end=True)
    assert (await second.post(message)).status == 200
    await second.api("DELETE", f"/organizations/{owner}/plan")
    call = vapi.calls[message["message"]["call"]["id"]]
    await call.settled()
    assert len([one for one in vapi.hangups if one.call_id == call.id]) == 1


async def watching(start_replica: Start, **given: object) -> Replica:
    """A replica that compares Vapi's list of calls continuously."""
    return await start_replica(callgate_call_watch_interval=0.2, **given)


async def test_an_end_that_nobody_told_is_found(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await watching(start_replica)
    _, number_id = await registered(callgate, vapi, paying=True)
    message = vapi.live_call(number_id)  # silent: no message of its end will come
    await callgate.post(message)
    call_id = message["message"]["call"]["id"]
    vapi.hang_up(call_id)
    stored = await closed(callgate, call_id)
    assert (stored["status"], stored["ended_reason"]) == ("ended", "customer-ended-call")


async def test_a_call_that_our_hook_stopped_is_recorded(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await watching(start_replica)
    owner, number_id = await registered(callgate, vapi, paying=False, ring_gate=True)
    call = vapi.place_call(number_id)
    await call.ended()
    assert call.heard == [MESSAGE]
    assert call.deliveries == []
    stored = await closed(callgate, call.id)
    assert (stored["gate"], stored["blocked"], stored["status"]) == ("ring", True, "failed")
    assert (stored["organization_id"], stored["reason"]) == (owner, "no_plan_or_trial")
    assert stored["ended_reason"] == "call.ringing.hook-executed-say"
    assert (stored["hangup"], stored["missed"]) == (None, False)


async def test_a_blocked_call_that_slipped_through_is_hung_up(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await watching(start_replica)
    callgate.service.access.watch.grace = timedelta(0)
    _, number_id = await registered(callgate, vapi, paying=False)
    assistant = vapi.numbers.find(number_id) or {}
    # Its events go elsewhere: no message reports the call.
    vapi.edit_assistant(assistant["assistantId"], server={"url": "http://127.0.0.1:9/elsewhere"})
    call = vapi.place_call(number_id, duration=10_000)

    async def over() -> bool:
        return not call.live

    await eventually(over, 5.0)
    stored = await closed(callgate, call.id)
    assert (stored["missed"], stored["blocked"]) == (True, True)


async def test_what_vapi_does_not_answer_well_changes_nothing(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await watching(start_replica)
    _, number_id = await registered(callgate, vapi, paying=True)
    message = vapi.live_call(number_id)
    await callgate.post(message)
    call_id = message["message"]["call"]["id"]
    pool = callgate.service.pool
    mark = "SELECT seen_until FROM callgate.call_watch"
    faults: tuple[dict[str, Any], ...] = (
        {"status": 500},
        {"html": True},
        {"truncated": True},
        {"answer": {"results": []}},
        {"answer": [7]},
    )
    for fault in faults:
        vapi.faults.clear()
        vapi.fail("GET /call", **fault)
        await asyncio.sleep(0.3)
        before = await pool.fetchval(mark)
        await asyncio.sleep(0.4)
        assert await pool.fetchval(mark) == before, fault
    assert (await callgate.call(call_id))["status"] == "in-progress"
    vapi.faults.clear()
    vapi.hang_up(call_id)
    await closed(callgate, call_id)


async def test_an_old_call_that_vapi_cannot_answer_holds_up_no_other(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Both began long before what the list shows, so each is asked for; the first one fails always."""
    callgate = await watching(start_replica)
    _, number_id = await registered(callgate, vapi, paying=True)
    vapi.fail("GET /call", answer=[])
    call_ids = []
    for minutes in (200, 100):
        message = vapi.live_call(number_id)
        await callgate.post(message)
        call_ids.append(message["message"]["call"]["id"])
        await callgate.service.pool.execute(
            """UPDATE callgate.calls SET created_at = now() - make_interval(mins => $2),
                updated_at = now() - make_interval(mins => $2) WHERE vapi_call_id = $1""",
            call_ids[-1],
            minutes,
        )
    failing, other = call_ids
    vapi.fail(f"GET /call/{failing}", status=500)
    for call_id in call_ids:
        vapi.hang_up(call_id)
    stored = await closed(callgate, other)
    assert stored["ended_reason"] == "customer-ended-call"
    assert (await callgate.call(failing))["status"] == "in-progress"
