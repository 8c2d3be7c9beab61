"""A policy's way over two replicas: in shadow, then enforced, for all and for one; and in an outage."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from policies import AccessRequest, Verdict, deny
from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.chains import put_policy
from tests.support.service import Replica, Start, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import proxied


@dataclass
class Strict:
    """Denies every call, after a while that no caller shall notice."""

    name = "strict"
    order = 50
    timeout_seconds = 1.5
    seconds: float = 0.0
    answers: int = 0

    def evaluate(self, _request: AccessRequest) -> Verdict:
        time.sleep(self.seconds)
        self.answers += 1
        return deny("too_strict")


async def paying(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """An organization with a plan, and its number with a request gate."""
    owner = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    assistant = vapi.add_assistant(name="A")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, number_id, gate="request")
    return owner, number_id


async def is_let_in(callgate: Replica, vapi: SandboxVapi, number_id: str) -> bool:
    answer = await callgate.post(vapi.live_call(number_id, kind="assistant-request"))
    return "error" not in answer.json


async def becomes(callgate: Replica, vapi: SandboxVapi, number_id: str, *, wanted: bool) -> None:
    """Wait until calls are let in, or refused, on a replica: within a second, and some on top for a
    busy machine."""

    async def is_so() -> bool:
        return await is_let_in(callgate, vapi, number_id) is wanted

    await eventually(is_so, seconds=3.0)


async def test_a_policy_goes_from_shadow_to_enforced_on_every_replica(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one, two = await start_replica(), await start_replica()
    slow = Strict(0.3)
    for each, strict in ((one, slow), (two, Strict(0.3))):
        put_policy(each.service.access.policies.chain, strict)
    await one.api("PUT", "/policies/strict", {"mode": "shadow"})
    owner, number_id = await paying(one, vapi)
    await becomes(two, vapi, number_id, wanted=True)
    assert await is_let_in(one, vapi, number_id)
    assert slow.answers == 0, "no caller waits for a policy in shadow"

    async def reported() -> bool:
        report = (await two.api("GET", "/policies/strict/shadow")).json
        return bool(report["would_have_blocked"] >= 2 and report["organizations"] == 1)

    await eventually(reported)
    report = (await one.api("GET", "/policies/strict/shadow")).json
    assert report["asked"] == report["would_have_blocked"] == len(report["items"])
    item = report["items"][0]
    assert (item["organization_id"], item["reason"]) == (owner, "too_strict")
    call = (await one.api("GET", f"/calls?vapi_call_id={item['vapi_call_id']}")).json["items"][0]
    (entry,) = (entry for entry in call["decision"]["trace"] if entry["policy"] == "strict")
    assert (entry["effect"], entry["reason"], entry["mode"]) == ("deny", "too_strict", "shadow")
    assert not call["blocked"]
    # Enforced for all, and for one organization not.
    await one.api("PUT", "/policies/strict", {"mode": "enforce"})
    assert not await is_let_in(one, vapi, number_id)
    await becomes(two, vapi, number_id, wanted=False)
    path = f"/organizations/{owner}/policies/strict"
    await two.api("PUT", path, {"mode": "off"})
    assert await is_let_in(two, vapi, number_id)
    await becomes(one, vapi, number_id, wanted=True)
    await two.api("DELETE", path)
    await becomes(one, vapi, number_id, wanted=False)
    await two.api("PUT", "/policies/strict", {"order": 150})
    await becomes(one, vapi, number_id, wanted=True)


async def test_choices_hold_while_postgresql_is_away(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, vapi.base_url)
    async with proxied(dsn) as proxy, replica(settings, app_dsn(proxy.dsn)) as callgate:
        put_policy(callgate.service.access.policies.chain, Strict())
        _, number_id = await paying(callgate, vapi)
        await callgate.api("PUT", "/policies/strict", {"mode": "shadow"})
        assert await is_let_in(callgate, vapi, number_id)
        with proxy.fault("refuse"):
            proxy.cut()
            await asyncio.sleep(0.2)
            assert await is_let_in(callgate, vapi, number_id)
            reply = await callgate.api("PUT", "/policies/strict", {"mode": "enforce"})
            assert reply.status == 503

        async def enforced() -> bool:
            found = await callgate.api("PUT", "/policies/strict", {"mode": "enforce"})
            return bool(found.status == 200)

        await eventually(enforced)
        await becomes(callgate, vapi, number_id, wanted=False)
