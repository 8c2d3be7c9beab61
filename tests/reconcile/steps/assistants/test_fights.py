"""When another tool keeps reverting what we write to several assistants of one number."""

from service.sandbox.server import SandboxVapi
from tests.reconcile.steps.assistants.helpers import SERVER, add_assistant, get, ours, sweep
from tests.support.service import Replica


async def test_reverting_all_members_of_a_squad_once_counts_once(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    """Each member is a repair of its own; a fight is what is undone three times."""
    members = [add_assistant(vapi) for _ in range(3)]
    organization = await callgate.add_organization(assistant_ids=members)
    squad = vapi.add_squad(members=[{"assistantId": one} for one in members])["id"]
    number = await callgate.add_number(organization, vapi.add_number(squadId=squad)["id"])
    assert number["sync"]["state"] == "in_sync"

    def urls() -> set[str]:
        return {(vapi.assistants.find(one) or {})["server"]["url"] for one in members}

    for _ in range(2):
        for one in members:
            vapi.edit_assistant(one, server=dict(SERVER))
        await sweep(callgate)
        found = (await get(callgate, number))["sync"]
        assert (found["state"], urls()) == ("in_sync", {ours(callgate)}), found["last_error"]
    for one in members:
        vapi.edit_assistant(one, server=dict(SERVER))
    await sweep(callgate)
    found = (await get(callgate, number))["sync"]
    assert (found["state"], urls()) == ("drifted", {SERVER["url"]})
    assert "3 times within an hour" in found["last_error"]
