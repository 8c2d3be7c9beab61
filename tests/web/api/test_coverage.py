"""Coverage over HTTP: what Vapi has now, put together with what the organization chose."""

from typing import Any

from service.admin.phone_numbers.coverage import count_holes
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica


async def inbound(callgate: Replica, number: Any) -> tuple[list[str], set[str]]:
    """Where inbound calls are stopped, and the holes."""
    answer = await callgate.api("GET", f"/phone-numbers/{number['id']}/coverage")
    assert answer.status == 200, answer.json
    assert answer.json["phone_number_id"] == number["id"]
    assert [call["kind"] for call in answer.json["calls"]] == [
        "inbound",
        "outbound",
        "web",
        "campaign",
    ]
    found = answer.json["calls"][0]
    return [found["stopped_at"], *found["then"]], {hole["kind"] for hole in found["holes"]}


async def test_it_follows_what_answers_the_number(callgate: Replica, vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant(name="Anna")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    owner = await callgate.add_organization()
    number = await callgate.add_number(owner, number_id)
    assert await inbound(callgate, number) == (["event", "list"], set())

    vapi.edit_assistant(assistant, server={"url": "https://elsewhere.example/vapi"})
    assert await inbound(callgate, number) == (["list"], {"shadowed"})

    vapi.edit_assistant(assistant, server=None, monitorPlan={"controlEnabled": False})
    assert await inbound(callgate, number) == (["nothing"], {"control_disabled"})

    vapi.edit_assistant(assistant, monitorPlan=None, serverMessages=["end-of-call-report"])
    assert await inbound(callgate, number) == (["list"], {"tells_late"})

    vapi.edit_assistant(assistant, serverMessages=None)
    await callgate.api("PATCH", f"/phone-numbers/{number['id']}", {"gate": "request"})
    assert await inbound(callgate, number) == (["request", "list"], set())

    vapi.edit_number(number_id, assistantId=assistant)
    assert await inbound(callgate, number) == (["event", "list"], {"still_bound"})

    await callgate.api("PATCH", f"/organizations/{owner}", {"handling": {"ring_gate": True}})
    places, _ = await inbound(callgate, number)
    assert places[0] == "ring"


async def test_a_squad_s_overrides_count(callgate: Replica, vapi: SandboxVapi) -> None:
    assistant = vapi.add_assistant(name="Anna")["id"]
    squad = vapi.add_squad(
        name="Both",
        members=[{"assistantId": assistant}],
        membersOverrides={"monitorPlan": {"controlEnabled": False}},
    )["id"]
    number_id = vapi.add_number(provider="vapi", squadId=squad)["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    assert await inbound(callgate, number) == (["nothing"], {"control_disabled"})


async def test_if_callgate_is_down_is_told_in_words(callgate: Replica, vapi: SandboxVapi) -> None:
    owner = await callgate.add_organization(handling={"transfer_when_down": "+15550100777"})
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(owner, number_id)
    path = f"/phone-numbers/{number['id']}/coverage"
    told = (await callgate.api("GET", path)).json["if_callgate_is_down"]
    assert "transferred to +15550100777" in told["paying_calls"]
    assert "end with Vapi's own sentence" in told["blocked_calls"]
    vapi.edit_number(number_id, fallbackDestination={"type": "number", "number": "+15550100111"})
    told = (await callgate.api("GET", path)).json["if_callgate_is_down"]
    assert "another system set" in told["blocked_calls"]


async def test_with_vapi_away_it_is_unavailable(callgate: Replica, vapi: SandboxVapi) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    path = f"/phone-numbers/{number['id']}/coverage"
    with_fault = vapi.fail("GET /phone-number/*", status=503)
    answer = await callgate.api("GET", path)
    assert (answer.status, answer.json["code"]) == (503, "vapi_unavailable"), with_fault
    vapi.faults.clear()
    missing = "/phone-numbers/00000000-0000-0000-0000-000000000001/coverage"
    answer = await callgate.api("GET", missing)
    assert (answer.status, answer.json["code"]) == (404, "phone_number_not_found")


async def test_the_holes_of_all_numbers_are_counted_without_asking_vapi(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Without")
    other = await callgate.add_organization("With", assistant_ids=["asst"])
    for number_id in vapi.add_numbers(3, provider="vapi"):
        await callgate.add_number(owner, number_id, answer_with={"assistantId": "asst-2"})
    for number_id in vapi.add_numbers(2, provider="vapi"):
        await callgate.add_number(other, number_id, gate="request")
    elsewhere = vapi.add_assistant(server={"url": "https://elsewhere.example"})["id"]
    shadowed = vapi.add_number(provider="vapi", assistantId=elsewhere)["id"]
    await callgate.add_number(owner, shadowed)
    asked = len(vapi.requests())
    found = {
        (count.call, count.hole.kind): count.numbers
        for count in await count_holes(callgate.service.pool, False, 60)
    }
    assert len(vapi.requests()) == asked
    assert found["inbound", "no_answer"] == 2
    assert found["inbound", "shadowed"] == 1
    assert found["web", "web_unregistered"] == 1
    assert found["outbound", "outbound_late"] == 6
    assert ("inbound", "not_in_sync") not in found


async def test_a_split_over_versions_is_not_sure(callgate: Replica, vapi: SandboxVapi) -> None:
    """Without access to the beta Vapi answers 403, which says nothing about the key."""
    assistant = vapi.add_assistant(name="Anna")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    number = await callgate.add_number(await callgate.add_organization(), number_id)
    assert await inbound(callgate, number) == (["event", "list"], set())
    assert vapi.requests("GET /traffic-allocations/latest")[-1].status == 403
    assert await callgate.service.reconciling.key.refused_since() is None
    vapi.splits.split(assistant, v7=90, v6=10, v5=0)
    assert await inbound(callgate, number) == (["event", "list"], {"split_versions"})
    answer = await callgate.api("GET", f"/phone-numbers/{number['id']}/coverage")
    (hole,) = answer.json["calls"][0]["holes"]
    assert "not sure" in hole["text"]
    assert "v7 (90 %), v6 (10 %)" in hole["text"]
    vapi.splits.by_assistant.clear()
    assert await inbound(callgate, number) == (["event", "list"], set())
