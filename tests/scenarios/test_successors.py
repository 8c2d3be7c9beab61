"""A number that was removed and imported again at Vapi: recognized, and linked by an admin alone."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.visiting import visiting

NUMBER = "+15550100123"


async def kinds(callgate: Replica) -> set[str]:
    return {one.kind for one in await callgate.service.use_cases.conditions.read()}


async def get(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json


async def test_a_number_under_a_new_id_is_linked_by_an_admin(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization()
    old = vapi.add_number(provider="vapi", number=NUMBER)["id"]
    number = await callgate.add_number(owner, old)
    relink = f"/phone-numbers/{number['id']}/relink"
    assert (await callgate.api("POST", relink)).json["code"] == "no_successor"
    vapi.numbers.remove(old)
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    new = vapi.add_number(provider="vapi", number=NUMBER, orgId="another organization")["id"]
    await callgate.api("POST", "/reconcile")
    assert (await get(callgate, number))["successor_vapi_id"] is None
    vapi.edit_number(new, orgId=vapi.org_id)
    await callgate.api("POST", "/reconcile")
    found = await get(callgate, number)
    assert (found["sync"]["state"], found["successor_vapi_id"]) == ("missing", new)
    # Nothing is guarded or written on a guess.
    assert (vapi.numbers.find(new) or {}).get("server") is None
    assert {"numbers_moved", "numbers_missing"} <= await kinds(callgate)
    async with visiting(callgate, "admin") as ada:
        assert "Link to the new id" in (await ada.get(f"/numbers/{number['id']}")).text
        await ada.post(f"/numbers/{number['id']}/relink", {})
    found = await get(callgate, number)
    assert (found["vapi_phone_number_id"], found["sync"]["state"]) == (new, "in_sync")
    assert (vapi.numbers.find(new) or {})["server"]["url"] == callgate.service.settings.webhook_url
    assert not {"numbers_moved", "numbers_missing"} & await kinds(callgate)
    blocked = await callgate.post(vapi.live_call(new))
    assert (blocked.status, blocked.json["reason"]) == (403, "no_plan_or_trial")
    entry = (await callgate.api("GET", "/audit")).json["items"][0]
    assert entry["action"] == "phone_number.relinked"
    assert (entry["before"]["vapi_phone_number_id"], entry["after"]["vapi_phone_number_id"]) == (
        old,
        new,
    )
    await callgate.api("DELETE", f"/phone-numbers/{number['id']}")
    assert (vapi.numbers.find(new) or {}).get("server") is None


async def test_a_number_that_another_organization_registered_is_no_successor(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """It may have changed hands: the organization that registered the new id has it."""
    owner, other = [await callgate.add_organization(name) for name in ("Bakery", "Florist")]
    old = vapi.add_number(provider="vapi", number=NUMBER)["id"]
    number = await callgate.add_number(owner, old)
    vapi.numbers.remove(old)
    await callgate.api("POST", f"/phone-numbers/{number['id']}/sync")
    new = vapi.add_number(provider="vapi", number=NUMBER)["id"]
    await callgate.api("POST", "/reconcile")
    assert (await get(callgate, number))["successor_vapi_id"] == new
    await callgate.add_number(other, new)
    assert "numbers_moved" not in await kinds(callgate)
    answer = await callgate.api("POST", f"/phone-numbers/{number['id']}/relink")
    assert (answer.status, answer.json["code"]) == (409, "phone_number_taken")
