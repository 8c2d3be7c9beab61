"""Allowed calls that nothing answers: each number and call says so, and the counts have their rows."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.service import Replica, eventually
from tests.support.visiting import visiting

PLAN = {"code": "pro", "status": "active"}


async def owner_of(callgate: Replica, name: str = "Bakery", **values: Any) -> str:
    owner = await callgate.add_organization(name, **values)
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    return str(owner)


async def unanswered(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json["unanswered"]


async def kinds(callgate: Replica) -> set[str]:
    callgate.service.use_cases.conditions.stored.holes_read_at = float("-inf")
    return {one.kind for one in await callgate.service.use_cases.conditions.read()}


async def listed(callgate: Replica, path: str) -> set[str]:
    return {one["id"] for one in (await callgate.api("GET", path)).json["items"]}


async def test_numbers_with_nothing_attached_are_counted_and_listed(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    owner = await owner_of(callgate)
    empty = [await callgate.add_number(owner, one) for one in vapi.add_numbers(3)]
    assistant = vapi.add_assistant(name="Order taker")["id"]
    bound = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    await callgate.add_number(owner, bound)
    wanted = {one["id"] for one in empty}
    assert await listed(callgate, "/phone-numbers?unanswered=true") == wanted
    async with visiting(callgate) as ada:
        shown = (await ada.post("/health")).text
        assert "Allowed calls are not answered: 3 numbers." in shown
        assert "3 numbers" in (await ada.get("/numbers?unanswered=true")).text
        page = (await ada.get(f"/numbers/{empty[0]['id']}")).text
        assert "Nothing answers allowed calls" in page
    forwarding = {"forward_url": "https://crm.example.com/calls"}
    await callgate.api("PATCH", f"/organizations/{owner}", forwarding)
    assert await listed(callgate, "/phone-numbers?unanswered=true") == set()
    assert "numbers_unanswered" not in await kinds(callgate)


@pytest.mark.parametrize("gate", ["request", "event"])
async def test_an_assistant_that_was_deleted_is_found_by_the_sweep(
    start_replica: Any, vapi: SandboxVapi, gate: str
) -> None:
    """It answers by the number's own answer, or is attached at Vapi."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    assistant = vapi.add_assistant(name="Order taker")["id"]
    vapi_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    number = await callgate.add_number(await owner_of(callgate), vapi_id, gate=gate)
    assert await unanswered(callgate, number) is None
    vapi.assistants.remove(assistant)
    report = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert report["checked"] == 1
    assert await unanswered(callgate, number) == f"assistant {assistant}"
    assert "numbers_unanswered" in await kinds(callgate)
    other = vapi.add_assistant(name="New one")["id"]
    if gate == "request":
        change = {"answer_with": {"assistantId": other}}
        await callgate.api("PATCH", f"/phone-numbers/{number['id']}", change)
    else:
        vapi.edit_number(vapi_id, assistantId=other)
        await callgate.api("POST", "/reconcile", {"dry_run": True})
    assert await unanswered(callgate, number) is None
    assert "numbers_unanswered" not in await kinds(callgate)


async def test_an_assistant_that_a_number_had_once_is_not_missed(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    """The organization's server answers now; the former assistant only goes back with a release."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    assistant = vapi.add_assistant(name="Order taker")["id"]
    vapi_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    owner = await owner_of(callgate, forward_url="https://crm.example.com/calls")
    number = await callgate.add_number(owner, vapi_id, gate="request")
    place = f"/phone-numbers/{number['id']}"
    assert (await callgate.api("GET", place)).json["answer_with"] == {"assistantId": assistant}
    await callgate.api("PATCH", place, {"answer_with": None})
    vapi.assistants.remove(assistant)
    await callgate.api("POST", "/reconcile", {"dry_run": True})
    assert await unanswered(callgate, number) is None
    assert "numbers_unanswered" not in await kinds(callgate)
    await callgate.api("POST", f"{place}/sync")
    assert await unanswered(callgate, number) is None
    await callgate.api("PATCH", f"/organizations/{owner}", {"forward_url": None})
    assert await unanswered(callgate, number) == "nothing"


async def test_a_call_that_vapi_could_not_connect_is_not_shown_as_well(
    callgate: Replica, vapi: SandboxVapi, pool: Pool
) -> None:
    vapi_id = vapi.add_number(provider="vapi")["id"]
    owner = await owner_of(callgate)
    number = await callgate.add_number(owner, vapi_id)
    ends = ("assistant-request-returned-invalid-assistant", "customer-ended-call")
    for place, reason in enumerate(ends):
        message: Any = vapi.live_call(vapi_id)
        assert (await callgate.post(message)).status == 200
        vapi.hang_up(message["message"]["call"]["id"])
        end = {**message["message"], "status": "ended", "endedReason": reason}
        assert (await callgate.post({"message": end})).status == 200

        async def ended(wanted: int = place + 1) -> bool:
            query = "SELECT count(*) FROM callgate.calls WHERE ended_reason IS NOT NULL"
            return bool(await pool.fetchval(query) == wanted)

        await eventually(ended)
        assert ("calls_unanswered" in await kinds(callgate)) == (place == 0)
        found = (await callgate.api("GET", "/calls?unanswered=true")).json["items"]
        assert [one["ended_reason"] for one in found] == [ends[0]]
    async with visiting(callgate) as ada:
        rows = (await ada.get(f"/calls?phone_number_id={number['id']}&unanswered=true")).text
        assert "Allowed, not answered" in rows
        page = (await ada.get(f"/calls/{found[0]['id']}")).text
        assert "but nothing answered it" in page
        assert "Check the number's answer" in page
        # Nor on the page of its organization: one call of each kind, and the number without an answer.
        page = (await ada.get(f"/organizations/{owner}")).text
        assert page.count("Allowed, not answered Plan is active") == 1
        assert page.count("Allowed Plan is active") == 2  # the access now, and the answered call
        assert "In sync No answer" in page
