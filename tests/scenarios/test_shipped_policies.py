"""The policies that Callgate ships, in the whole service: they deny, divert, limit and count calls."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import structlog

from policies.quota import next_midnight
from service.access.first_message import BLOCKED, HANGING_UP
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.limits import ended, know, post_all
from tests.support.replies import Reply
from tests.support.service import Replica, Start, eventually
from tests.support.visiting import visiting

PLAN = {"code": "pro", "status": "active"}
DUE = "SELECT next_attempt_at FROM callgate.webhook_states WHERE phone_number_id = $1"
CLOSED: dict[str, object] = {"weekly": {}, "message": "{organization} is closed today."}


async def choose(callgate: Replica, owner: str, name: str, settings: object) -> None:
    """Give an organization settings of a policy, and wait until its usage is known."""
    path = f"/organizations/{owner}/policies/{name}"
    answer = await callgate.api("PUT", path, {"settings": settings})
    assert answer.status == 200, answer.json

    async def known() -> bool:
        trace = (await callgate.api("GET", f"/organizations/{owner}/access")).json["trace"]
        (own,) = (one for one in trace if one["policy"] == name)
        return own["reason"] != "not_configured" and "unknown" not in (own["note"] or "")

    await eventually(known)


async def with_number(callgate: Replica, vapi: SandboxVapi, **fields: object) -> tuple[str, str]:
    """A paying organization, and a number of it whose calls ask what answers them."""
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number = vapi.add_number(provider="vapi", number="+15550100001")["id"]
    answer = {"assistantId": vapi.add_assistant(name="A")["id"]}
    await callgate.add_number(owner, number, gate="request", answer_with=answer, **fields)
    return owner, number


async def test_sleeping_policies_say_nothing_of_a_call_and_are_explained(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    message = vapi.live_call(number, kind="assistant-request")
    await callgate.post(message)
    call = await callgate.call(message["message"]["call"]["id"])
    asked = [one["policy"] for one in call["decision"]["trace"]]
    assert asked == ["admin_override", "plan", "trial"]
    explained = (await callgate.api("GET", f"/organizations/{owner}/access")).json["trace"]
    asleep = {one["policy"] for one in explained if one["reason"] == "not_configured"}
    assert {"caller_rules", "concurrency", "opening_hours", "quota"} <= asleep


async def test_a_number_blocked_for_the_day_is_looked_at_again_at_midnight(
    start_replica: Start, vapi: SandboxVapi, pool: Pool
) -> None:
    callgate = await start_replica(callgate_ring_gate=True, callgate_reconcile_interval=0)
    owner, number = await with_number(callgate, vapi)
    await choose(callgate, owner, "quota", {"calls_per_day": 0})

    async def blocked() -> bool:
        return bool((vapi.numbers.find(number) or {}).get("hooks"))

    await eventually(blocked)
    found = (await callgate.api("GET", f"/phone-numbers?organization_id={owner}")).json["items"][0]

    async def due() -> bool:
        at = await pool.fetchval(DUE, UUID(found["id"]))
        return at is not None and timedelta(0) <= at - next_midnight(now, None) < timedelta(
            minutes=1
        )

    now = datetime.now(UTC)
    await eventually(due)


async def test_a_caller_outside_of_the_hours_hears_the_words_of_the_policy(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    await choose(callgate, owner, "opening_hours", CLOSED)
    call = vapi.place_call(number)
    await vapi.settled([call])
    assert "Bakery is closed today." in call.heard
    recorded = await callgate.call(call.id)
    assert (recorded["blocked"], recorded["diverted"]) == (True, False)
    assert recorded["reason"] == "outside_opening_hours"
    assert recorded["decision"]["message"] == CLOSED["message"]


async def test_a_caller_hears_when_the_hours_begin_again(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    hours: dict[str, object] = {"exceptions": {day.isoformat(): ["09:00-12:00"]}}
    message = {"message": "Please call again {until}."}
    await choose(callgate, owner, "opening_hours", {"weekly": {}, **hours, **message})
    call = vapi.place_call(number)
    await vapi.settled([call])
    year = "" if day.year == datetime.now(UTC).year else f" {day.year}"
    assert f"Please call again on {day.day} {day:%B}{year} at 09:00." in call.heard


async def test_a_denied_call_goes_on_where_the_policy_diverts_it(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    desk = {"assistantId": vapi.add_assistant(name="Takes messages")["id"]}
    await choose(callgate, owner, "opening_hours", {**CLOSED, "divert_to": desk})
    with structlog.testing.capture_logs() as logs:
        call = vapi.place_call(number, duration=4)
        await vapi.settled([call])
    assert vapi.hangups == []
    assert call.ended_reason == "customer-ended-call"
    assert json.loads(call.deliveries[0].answer) == desk
    assert {one.http_status for one in call.deliveries} == {200}
    assert len(call.deliveries) > 2

    async def ended() -> Any:
        found = await callgate.call(call.id)
        return found if found["ended_at"] and found["duration_seconds"] else None

    recorded = await eventually(ended)
    assert (recorded["status"], recorded["blocked"], recorded["diverted"]) == ("failed", True, True)
    assert recorded["decision"]["divert_to"] == desk
    assert (recorded["hangup"], recorded["lived_seconds"]) == (None, None)
    events = [entry["event"] for entry in logs]
    assert BLOCKED in events
    assert HANGING_UP not in events
    found = (await callgate.api("GET", "/calls?diverted=true&refused=false")).json["items"]
    assert [one["id"] for one in found] == [recorded["id"]]
    async with visiting(callgate, "viewer") as vic:
        story = (await vic.get(f"/calls/{recorded['id']}")).text
    assert f"blocked and diverted to the assistant {desk['assistantId']}" in story
    assert "diverts to the assistant" in story
    usage = (await callgate.api("GET", f"/organizations/{owner}/usage")).json
    assert (usage["calls"], usage["blocked_calls"], usage["live_calls"]) == (1, 1, 0)
    assert usage["seconds"] > 0


async def test_a_diverted_call_goes_on_at_every_replica(
    callgate: Replica, start_replica: Start, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    other = await start_replica()
    divert_to = "+15550100200"
    await choose(callgate, owner, "opening_hours", {**CLOSED, "divert_to": divert_to})
    message = vapi.live_call(number, kind="assistant-request")
    answer = (await callgate.post(message)).json
    assert answer == {"destination": {"type": "number", "number": divert_to}}
    later = {**message["message"], "type": "status-update", "status": "in-progress"}
    for one in (other, callgate):
        assert (await one.post({"message": later})).status == 200
    assert (await callgate.post(message)).json == answer
    assert (await callgate.call(later["call"]["id"]))["hangup"] is None
    assert vapi.hangups == []


async def test_elsewhere_a_diverting_denial_is_an_ordinary_one(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, _ = await with_number(callgate, vapi)
    assistant = vapi.add_assistant(name="B")["id"]
    bound = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, bound)
    await choose(callgate, owner, "opening_hours", {**CLOSED, "divert_to": "+15550100200"})
    message = vapi.live_call(bound)
    assert (await callgate.post(message)).status == 403
    call = await callgate.call(message["message"]["call"]["id"])
    assert (call["blocked"], call["diverted"]) == (True, False)
    assert call["decision"]["divert_to"] is None
    assert call["hangup"] is not None


@pytest.mark.parametrize(("limits", "most"), [({"minutes": 10}, 600), ({"minutes": 0.05}, 10)])
async def test_what_is_left_of_a_quota_limits_the_call(
    callgate: Replica, vapi: SandboxVapi, limits: dict[str, object], most: int
) -> None:
    owner, number = await with_number(callgate, vapi)
    await choose(callgate, owner, "quota", limits)
    answer = (await callgate.post(vapi.live_call(number, kind="assistant-request"))).json
    assert answer["assistantOverrides"] == {"maxDurationSeconds": most}


async def test_one_caller_can_call_so_often_at_every_replica(
    callgate: Replica, start_replica: Start, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    other = await start_replica()
    await choose(callgate, owner, "caller_rules", {"calls_per_hour": 3})

    async def rings(one: Replica, caller: str | None) -> bool:
        message = vapi.live_call(number, caller=caller, kind="assistant-request")
        return "error" not in (await one.post(message)).json

    assert [await rings(callgate, "+15550100200") for _ in range(5)] == [True] * 3 + [False] * 2
    assert await rings(callgate, "+15550100201")
    assert await rings(callgate, None)

    async def refused_there() -> bool:
        message = vapi.live_call(number, caller="+15550100200", kind="assistant-request")
        return "error" in (await other.post(message)).json

    await eventually(refused_there)


async def test_settings_that_do_not_fit_are_refused_by_their_field(callgate: Replica) -> None:
    owner = await callgate.add_organization()
    path = f"/organizations/{owner}/policies/opening_hours"
    for settings, word in (
        ({"weekly": {"funday": ["09:00-17:00"]}}, "funday"),
        ({"weekly": {}, "divert_to": "desk"}, "phone number"),
        ({"weekly": {}, "time_zone": "Mars"}, "time zone"),
    ):
        answer = await callgate.api("PUT", path, {"settings": settings})
        assert answer.status == 422
        assert word in json.dumps(answer.json)


def ring(vapi: SandboxVapi, number: str, call_type: str = "inboundPhoneCall") -> dict[str, Any]:
    """The first message of a call: an outbound one asks for no assistant."""
    kind = "assistant-request" if call_type == "inboundPhoneCall" else "status-update"
    return vapi.live_call(number, type=call_type, kind=kind)


def passed(answers: list[Reply]) -> int:
    return sum(one.status == 200 and "error" not in one.json for one in answers)


async def test_so_many_calls_are_under_way_and_some_places_are_for_inbound(
    callgate: Replica, start_replica: Start, vapi: SandboxVapi
) -> None:
    owner, number = await with_number(callgate, vapi)
    other = await start_replica()
    await choose(callgate, owner, "concurrency", {"calls": 5, "kept_for_inbound": 2})
    await know([callgate, other], number)

    async def knows() -> bool:
        entry = other.service.access.directory.entries[UUID(owner)]
        return "concurrency" in entry.organization.policies

    await eventually(knows)
    outbound = [ring(vapi, number, "outboundPhoneCall") for _ in range(20)]
    assert passed(await post_all([callgate, other], outbound)) == 3
    inbound = [ring(vapi, number) for _ in range(20)]
    answers = await post_all([other, callgate], inbound)
    assert passed(answers) == 2
    calls = (await callgate.api("GET", "/calls?reason=too_many_calls")).json["items"]
    assert {one["decision"]["determined_by"] for one in calls} == {"concurrency"}
    let_in = next(
        message
        for message, answer in zip(inbound, answers, strict=True)
        if "error" not in answer.json
    )
    assert (await callgate.post(ended(let_in))).status == 200
    assert passed([await callgate.post(ring(vapi, number, "outboundPhoneCall"))]) == 0
    assert passed([await other.post(ring(vapi, number))]) == 1


@pytest.mark.parametrize("kind", ["assistant-request", "status-update"])
async def test_a_call_that_finds_no_place_is_diverted_where_it_is_asked_about(
    callgate: Replica, vapi: SandboxVapi, kind: str
) -> None:
    owner, number = await with_number(callgate, vapi)
    divert_to = "+15550100200"
    await choose(callgate, owner, "concurrency", {"calls": 0, "divert_to": divert_to})
    await know([callgate], number)
    call_type = "inboundPhoneCall" if kind == "assistant-request" else "outboundPhoneCall"
    message = ring(vapi, number, call_type)
    answer = await callgate.post(message)
    call = await eventually(partial(callgate.call, message["message"]["call"]["id"]))
    diverted = kind == "assistant-request"
    assert (call["blocked"], call["diverted"], call["hangup"] is None) == (True, diverted, diverted)
    if diverted:
        assert answer.json == {"destination": {"type": "number", "number": divert_to}}
        later = {**message["message"], "type": "status-update", "status": "in-progress"}
        assert (await callgate.post({"message": later})).status == 200
    else:
        assert (answer.status, answer.json["reason"]) == (403, "too_many_calls")
