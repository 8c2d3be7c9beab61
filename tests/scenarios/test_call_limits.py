"""Limits on calls under way, over replicas on one database."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from policies import AccessRequest, Verdict, abstain, limit, policy
from service.sandbox.server import SandboxVapi
from tests.support.chains import put_policy
from tests.support.limits import (
    NAME,
    REASON,
    add_limited,
    add_policy,
    ended,
    granted,
    know,
    post_all,
    slots,
)
from tests.support.service import Replica, Start, eventually

CALLS = 200
CAPACITY = 5


@pytest.fixture
async def three(start_replica: Start) -> list[Replica]:
    replicas = [await start_replica() for _ in range(3)]
    add_policy(*replicas)
    return replicas


async def test_calls_within_limits_are_counted_before_their_answer_while_others_are_recorded_after(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    add_policy(callgate)
    _, number = await add_limited(callgate, vapi, CAPACITY)
    await know([callgate], number)
    recording = callgate.service.access.gate.recorder.answered.recording
    recording["another", None] = asyncio.get_running_loop().create_future()
    calls = [vapi.live_call(number, kind="assistant-request") for _ in range(CAPACITY + 3)]
    answers = [await callgate.post(call) for call in calls]
    assert [id(call) for call in granted(calls, answers)] == [id(call) for call in calls[:CAPACITY]]
    assert await slots(callgate.service.pool) == {NAME: CAPACITY}


@pytest.mark.parametrize("kind", ["assistant-request", "status-update"])
async def test_of_calls_at_once_exactly_the_capacity_is_let_in(
    three: list[Replica], vapi: SandboxVapi, kind: str
) -> None:
    """A message that is repeated to another replica has the same answer, and takes no further slot."""
    _, number = await add_limited(three[0], vapi, CAPACITY)
    await know(three, number)
    calls = [vapi.live_call(number, kind=kind) for _ in range(CALLS)]
    answers = await post_all(three, calls)
    passed = granted(calls, answers)
    assert len(passed) == CAPACITY
    again = calls[:20] + passed
    repeated = granted(again, await post_all([three[1], three[2], three[0]], again))
    assert {id(one) for one in repeated} == {id(one) for one in passed}
    pool = three[0].service.pool
    assert await slots(pool) == {NAME: CAPACITY}

    # Hundreds of hang-ups at once keep the connections busy: what follows is not about them.
    for one in three:
        await one.service.access.gate.recorder.drain(30)
    more = vapi.live_call(number, kind=kind)
    (answer,) = await post_all(three, [more])
    if kind == "status-update":
        assert (answer.status, answer.json["reason"]) == (403, REASON)
    else:
        assert "error" in answer.json
    call = await eventually(lambda: three[0].call(more["message"]["call"]["id"]), 30)
    assert (call["blocked"], call["reason"], call["status"]) == (True, REASON, "failed")
    assert call["decision"]["determined_by"] == "calls_at_once"
    entry = next(one for one in call["decision"]["trace"] if one["policy"] == "calls_at_once")
    assert (entry["effect"], entry["reason"]) == ("deny", REASON)
    (used,) = entry["limits"]
    assert (used["name"], used["capacity"], used["in_use"]) == (NAME, CAPACITY, CAPACITY)

    # One ends, at another replica: one more is let in. All end: none is in use.
    assert (await three[2].post(ended(passed[0]))).status == 200

    async def has_free() -> bool:
        return await slots(pool) == {NAME: CAPACITY - 1}

    await eventually(has_free)
    next_ones = [vapi.live_call(number, kind=kind) for _ in range(3)]
    assert len(granted(next_ones, await post_all(three, next_ones))) == 1
    await post_all(three, [ended(one) for one in [*passed, *next_ones]])

    async def free() -> bool:
        return not await slots(pool)

    await eventually(free)


async def test_each_organization_has_its_own(three: list[Replica], vapi: SandboxVapi) -> None:
    """Also where hundreds of calls of several arrive mixed."""
    numbers = [(await add_limited(three[0], vapi, most, f"Org {most}"))[1] for most in (1, 3, 0)]
    for number in numbers:
        await know(three, number)
    calls = [
        vapi.live_call(number, kind="assistant-request") for _ in range(20) for number in numbers
    ]
    passed = granted(calls, await post_all(three, calls))
    found = [sum(one["message"]["call"]["phoneNumberId"] == n for one in passed) for n in numbers]
    assert found == [1, 3, 0]


async def test_a_call_that_is_over_takes_none(callgate: Replica, vapi: SandboxVapi) -> None:
    """Its end comes before its first message: at this replica, and at one that does not know it."""
    add_policy(callgate)
    _, number = await add_limited(callgate, vapi, 1)
    await know([callgate], number)
    first = vapi.live_call(number, kind="assistant-request")
    assert (await callgate.post(ended(first))).status == 200
    assert (await callgate.post(first)).status == 200
    assert not await slots(callgate.service.pool)
    other = vapi.live_call(number, kind="assistant-request")
    assert granted([other], [await callgate.post(other)])


async def test_what_is_only_asked_takes_no_slot(callgate: Replica, vapi: SandboxVapi) -> None:
    """A campaign is answered by what memory counts, an explanation says how many are in use."""
    add_policy(callgate)
    owner, number = await add_limited(callgate, vapi, 1)
    await know([callgate], number)

    async def explain() -> Any:
        found = (await callgate.api("GET", f"/organizations/{owner}/access")).json
        (entry,) = [one for one in found["trace"] if one["policy"] == "calls_at_once"]
        return found["allowed"], entry["limits"][0]["in_use"]

    async def may_dial() -> Any:
        message = {"type": "campaign.predial", "phoneNumber": {"id": number}, "customer": {}}
        return (await callgate.post({"message": message})).json

    assert (await explain(), await may_dial()) == ((True, 0), {"eligible": True})
    first = vapi.live_call(number, kind="assistant-request")
    assert granted([first], [await callgate.post(first)])
    assert (await explain(), await may_dial()) == ((True, 1), {"eligible": False})
    feed, since = callgate.service.access.limits, time.monotonic()
    await eventually(lambda: asyncio.sleep(0, feed.read_at > since))
    assert await explain() == (True, 1), "a reading has the call: it counts once"
    await callgate.post(ended(first))
    assert (await explain(), await may_dial()) == ((True, 0), {"eligible": True})


async def test_a_full_limit_speaks_and_diverts(callgate: Replica, vapi: SandboxVapi) -> None:
    """In the words of the verdict that stated it; only an assistant-request can be diverted."""
    desk = {"assistantId": "9f1c5a1e-2f0b-4c1d-8e7f-0a1b2c3d4e5f"}

    @policy(order=50, pure=True)
    def lines(_request: AccessRequest) -> Verdict:
        given = [limit("lines", 0, reason="all_lines_busy")]
        return abstain(limits=given, message="All lines are busy.", divert_to=desk)

    put_policy(callgate.service.access.policies.chain, lines)
    _, number = await add_limited(callgate, vapi, 1)
    await know([callgate], number)
    asked = vapi.live_call(number, kind="assistant-request")
    answer = await callgate.post(asked)
    assert answer.json["assistantId"] == desk["assistantId"]
    recorded = await callgate.call(asked["message"]["call"]["id"])
    assert (recorded["blocked"], recorded["diverted"], recorded["hangup"]) == (True, True, None)
    assert recorded["reason"] == "all_lines_busy"
    call = vapi.live_call(number, type="outboundPhoneCall")
    answer = await callgate.post(call)
    assert (answer.status, answer.json["reason"]) == (403, "all_lines_busy")
    recorded = await callgate.call(call["message"]["call"]["id"])
    assert (recorded["diverted"], recorded["hangup"]["state"]) in (
        (False, "pending"),
        (False, "confirmed"),
    )


async def test_a_call_under_way_is_not_hung_up_at_once(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Another replica may have let it in: its record has a few seconds to arrive."""
    add_policy(callgate)
    _, number = await add_limited(callgate, vapi, 0)
    await know([callgate], number)
    call = vapi.live_call(number)
    later = {"message": {**call["message"], "type": "conversation-update"}}
    assert (await callgate.post(later)).status == 403
    call_id = call["message"]["call"]["id"]
    await asyncio.sleep(2.0)
    assert vapi.calls[call_id].live
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 20)


async def test_a_missed_call_is_counted_too(start_replica: Start, vapi: SandboxVapi) -> None:
    callgate = await start_replica(callgate_call_watch_interval=1.0)
    callgate.service.access.watch.grace = timedelta(0)
    add_policy(callgate)
    _, number = await add_limited(callgate, vapi, 1)
    await know([callgate], number)
    calls = [vapi.live_call(number)["message"]["call"]["id"] for _ in range(2)]
    await eventually(lambda: both_recorded(callgate, calls), 20)
    found = [await callgate.call(one) for one in calls]
    assert sorted(one["blocked"] for one in found) == [False, True]
    assert await slots(callgate.service.pool) == {NAME: 1}


async def both_recorded(callgate: Replica, calls: list[str]) -> bool:
    return all([await callgate.call(one) for one in calls])
