"""Limits on calls under way, over replicas on one database."""

import asyncio
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
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


async def test_a_campaign_is_told_before_it_dials(callgate: Replica, vapi: SandboxVapi) -> None:
    """By what memory counts; the question itself takes no slot."""
    add_policy(callgate)
    owner, number = await add_limited(callgate, vapi, 1)
    await know([callgate], number)
    first = vapi.live_call(number, kind="assistant-request")
    assert granted([first], [await callgate.post(first)])

    async def access() -> Any:
        answer = await callgate.api("GET", f"/organizations/{owner}/access")
        return answer.json

    explained = await access()
    assert explained["allowed"], "an explanation reserves and denies nothing"
    entry = next(one for one in explained["trace"] if one["policy"] == "calls_at_once")
    assert entry["limits"][0]["in_use"] == 1
    await asyncio.sleep(2.5)  # a reading has the call: it counts once
    entry = next(one for one in (await access())["trace"] if one["policy"] == "calls_at_once")
    assert entry["limits"][0]["in_use"] == 1
