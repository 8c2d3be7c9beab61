"""Organizations that end calls with their access: which calls under way are cut, and which go on."""

import asyncio
from typing import Any

import pytest

from policies import AccessRequest, Verdict, abstain, deny, policy
from service.sandbox.server import SandboxVapi
from tests.scenarios.test_event_gate import registered
from tests.scenarios.test_shipped_policies import choose
from tests.support.chains import put_policy
from tests.support.service import Replica, eventually


@policy(order=50, pure=True)
def one_at_a_time(request: AccessRequest) -> Verdict:
    """By the usage, as a plugin may count."""
    usage = request.usage
    return deny("busy") if usage is not None and usage.live_calls >= 1 else abstain()


@policy(order=40, on_failure="deny", name="fraud_check")
def fails_for_organizations(request: AccessRequest) -> Verdict:
    """Knows every call, and fails where it is asked about an organization."""
    if request.call is None:
        raise ConnectionError
    return abstain()


async def granted(callgate: Replica, vapi: SandboxVapi, number: str) -> str:
    """A granted call under way."""
    message = vapi.live_call(number, reports_end=True)
    assert (await callgate.post(message)).status == 200
    return str(message["message"]["call"]["id"])


async def has_no_access(callgate: Replica, owner: str, reason: str) -> None:
    """Wait until the next call would be denied."""

    async def denied() -> Any:
        found = (await callgate.api("GET", f"/organizations/{owner}/access")).json
        return found["reason"] == reason

    await eventually(denied)


async def goes_on(callgate: Replica, vapi: SandboxVapi, call_id: str) -> None:
    """Check that a call is not cut."""
    await callgate.service.access.cutter.cut_calls()
    await asyncio.sleep(0.3)
    assert (await callgate.call(call_id))["cut_at"] is None
    assert vapi.calls[call_id].live


@pytest.mark.parametrize("settings", [{"calls_per_day": 1}, {"calls": 1}])
async def test_the_last_call_of_a_quota_goes_on(
    callgate: Replica, vapi: SandboxVapi, settings: dict[str, int]
) -> None:
    owner, number = await registered(callgate, vapi, paying=True, when_access_ends="hang_up")
    await choose(callgate, owner, "quota", settings)
    call_id = await granted(callgate, vapi, number)
    await has_no_access(callgate, owner, "quota_calls")
    assert (await callgate.post(vapi.live_call(number))).status == 403, "the quota is used up"
    await goes_on(callgate, vapi, call_id)

    await choose(callgate, owner, "quota", dict.fromkeys(settings, 0))
    await callgate.service.access.cutter.cut_calls()
    await vapi.calls[call_id].settled()
    assert (await callgate.call(call_id))["cut_reason"] == "quota_calls", "it is beyond the limit"


async def test_a_policy_that_counts_calls_under_way_does_not_count_the_call_itself(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    put_policy(callgate.service.access.policies.chain, one_at_a_time)
    owner, number = await registered(callgate, vapi, paying=True, when_access_ends="hang_up")
    call_id = await granted(callgate, vapi, number)
    await has_no_access(callgate, owner, "busy")
    await goes_on(callgate, vapi, call_id)
    vapi.hang_up(call_id)


async def test_a_policy_that_fails_ends_no_call_under_way(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """It denies calls that begin; whether access has ended it does not say."""
    put_policy(callgate.service.access.policies.chain, fails_for_organizations)
    owner, number = await registered(callgate, vapi, paying=True, when_access_ends="hang_up")
    call_id = await granted(callgate, vapi, number)
    await has_no_access(callgate, owner, "policy_failed")
    await goes_on(callgate, vapi, call_id)
    vapi.hang_up(call_id)
