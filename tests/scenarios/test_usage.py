"""Usage through the whole service: counted at each message, known to policies, told to Vapi."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from policies import AccessRequest, UsageFacts, Verdict, abstain, deny
from service.sandbox.server import SandboxVapi
from tests.support.calls import new_call, record
from tests.support.chains import put_policy
from tests.support.service import Replica, Start, eventually

AT_ONCE = 12
MOST = 5


class ConcurrentCalls:
    """Denies calls beyond the limit of the plan, and keeps the facts of each request."""

    name = "concurrent_calls"
    order = 10
    pure = True

    def __init__(self, *, waits: bool) -> None:
        self.seen: list[UsageFacts | None] = []
        if waits:
            self.pure = False
            self.evaluate = self.evaluate_later  # type: ignore[method-assign,assignment]

    def evaluate(self, request: AccessRequest) -> Verdict:
        self.seen.append(request.usage)
        limits = request.plan.limits if request.plan else None
        if request.usage is None or limits is None or limits.concurrent_calls is None:
            return abstain()
        full = request.usage.live_calls >= limits.concurrent_calls
        return deny("too_many_calls") if full else abstain()

    async def evaluate_later(self, request: AccessRequest) -> Verdict:
        verdict = ConcurrentCalls.evaluate(self, request)
        await asyncio.sleep(0.02)
        return verdict


def add_policy(callgate: Replica, *, waits: bool = False) -> ConcurrentCalls:
    policy = ConcurrentCalls(waits=waits)
    chain = callgate.service.access.policies.chain
    put_policy(chain, policy)
    return policy


async def with_limits(callgate: Replica, vapi: SandboxVapi, **limits: float) -> tuple[str, str]:
    """A paying organization with limits, and its number with a request gate."""
    owner = await callgate.add_organization()
    await set_limits(callgate, owner, **limits)
    assistant = vapi.add_assistant(name="A")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, number_id, gate="request")
    await eventually(lambda: asyncio.sleep(0, callgate.service.access.usage.memory.loaded))
    return owner, number_id


async def set_limits(callgate: Replica, owner: str, **limits: float) -> None:
    plan = {"code": "pro", "status": "active", "limits": limits}
    assert (await callgate.api("PUT", f"/organizations/{owner}/plan", plan)).status == 200


async def usage_of(callgate: Replica, owner: str) -> Any:
    answer = await callgate.api("GET", f"/organizations/{owner}/usage")
    assert answer.status == 200, answer.json
    return answer.json


def report_of(call: dict[str, Any], seconds: float, cost: float) -> dict[str, Any]:
    """The end-of-call report of a call that began just now."""
    now = datetime.now(UTC)
    return {
        "message": {
            "type": "end-of-call-report",
            "endedReason": "customer-ended-call",
            "startedAt": (now - timedelta(seconds=seconds)).isoformat(),
            "endedAt": now.isoformat(),
            "durationSeconds": seconds,
            "cost": cost,
            "call": call["message"]["call"],
        }
    }


@pytest.mark.parametrize("waits", [False, True])
async def test_of_calls_at_once_no_more_pass_than_the_limit_allows(
    callgate: Replica, vapi: SandboxVapi, waits: bool
) -> None:
    owner, number_id = await with_limits(callgate, vapi, concurrent_calls=MOST)
    add_policy(callgate, waits=waits)
    calls = [vapi.live_call(number_id, kind="assistant-request") for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*map(callgate.post, calls))
    assert sum("error" not in answer.json for answer in answers) == MOST

    async def recorded() -> bool:
        """Requests are answered before their records are written."""
        return bool((await usage_of(callgate, owner))["calls"] == AT_ONCE)

    await eventually(recorded)
    found = await usage_of(callgate, owner)
    assert (found["blocked_calls"], found["live_calls"]) == (AT_ONCE - MOST, MOST)
    # One ends: one more passes, at once.
    granted = next(
        call for call, answer in zip(calls, answers, strict=True) if "error" not in answer.json
    )
    assert (await callgate.post(report_of(granted, 61.5, 0.2))).status == 200
    more = [vapi.live_call(number_id, kind="assistant-request") for _ in range(2)]
    passed = ["error" not in (await callgate.post(call)).json for call in more]
    assert passed == [True, False]
    found = await usage_of(callgate, owner)
    assert (found["seconds"], found["cost"]) == (61.5, 0.2)


async def test_the_other_replica_knows_within_a_second(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one = await start_replica()
    two = await start_replica()
    owner, number_id = await with_limits(one, vapi, minutes=100)
    policy = add_policy(two)
    await eventually(lambda: asyncio.sleep(0, two.service.access.usage.memory.loaded))
    call = vapi.live_call(number_id, kind="assistant-request")
    assert "error" not in (await one.post(call)).json

    async def seen() -> tuple[int, int, float]:
        await two.api("GET", f"/organizations/{owner}/access")
        facts = policy.seen[-1]
        assert facts is not None
        return facts.live_calls, facts.calls_today, facts.seconds

    async def is_live() -> bool:
        return await seen() == (1, 1, 0.0)

    async def is_over() -> bool:
        return await seen() == (0, 1, 61.5)

    await eventually(is_live, seconds=3.0)
    assert (await one.post(report_of(call, 61.5, 0.2))).status == 200
    await eventually(is_over, seconds=3.0)


async def test_a_granted_call_is_told_how_long_it_may_last(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id = await with_limits(callgate, vapi, minutes=2)

    async def longest() -> int:
        call = vapi.live_call(number_id, kind="assistant-request")
        answer = (await callgate.post(call)).json
        assert (await callgate.post(report_of(call, 50.0, 0.1))).status == 200
        return int(answer["assistantOverrides"]["maxDurationSeconds"])

    state = callgate.service.access.usage.memory.states

    async def is_read() -> bool:
        return any(str(one) == owner for one in state)

    await eventually(is_read)
    assert [await longest() for _ in range(4)] == [120, 70, 20, 10]
    await callgate.api(
        "PATCH", f"/organizations/{owner}", {"handling": {"max_duration_seconds": 15}}
    )
    await set_limits(callgate, owner, minutes=1000)
    assert await longest() == 15


async def test_a_new_period_lets_calls_in_at_once(callgate: Replica, vapi: SandboxVapi) -> None:
    """The quota of the old period is used up; the payment for the next one arrives early."""
    owner, number_id = await with_limits(callgate, vapi)
    now, memory = datetime.now(UTC), callgate.service.access.usage.memory
    settings = {"settings": {"plan_limits": True}}
    chosen = await callgate.api("PUT", f"/organizations/{owner}/policies/quota", settings)
    assert chosen.status == 200
    before = now - timedelta(days=10)
    used = new_call(
        "used",
        organization_id=UUID(owner),
        started_at=before,
        ended_at=before,
        duration_seconds=61.5,
    )
    await record(callgate.service.pool, used)

    async def pay_until(days: int) -> None:
        plan: dict[str, Any] = {"code": "pro", "status": "active", "limits": {"minutes": 1}}
        plan["current_period_end"] = (now + timedelta(days=days)).isoformat()
        assert (await callgate.api("PUT", f"/organizations/{owner}/plan", plan)).status == 200

    async def is_let_in() -> bool:
        call = vapi.live_call(number_id, kind="assistant-request")
        return "error" not in (await callgate.post(call)).json

    async def has_read(days: int) -> bool:
        return memory.states[UUID(owner)].period.until == now + timedelta(days=days)

    await pay_until(15)
    await eventually(lambda: has_read(15))
    assert not await is_let_in()
    await pay_until(25)
    assert await is_let_in()
    await eventually(lambda: has_read(25))
    assert await is_let_in()
