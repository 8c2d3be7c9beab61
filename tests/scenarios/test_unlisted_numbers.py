"""A list of Vapi that lacks too many numbers is not believed at once; the numbers that it lacks are
named and counted everywhere, and each count has its rows."""

from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.visiting import rows_of, visiting

LIST = "/numbers?condition=numbers_unlisted"
COUNT, GONE = 16, 12


async def deleted(start_replica: Start, vapi: SandboxVapi) -> tuple[Replica, list[Any]]:
    """Most of the numbers are deleted at Vapi; those that are."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    owner = await callgate.add_organization("Bakery")
    numbers = [
        await callgate.add_number(owner, one, label=f"Line {place:02}")
        for place, one in enumerate(vapi.add_numbers(COUNT))
    ]
    for one in numbers[:GONE]:
        vapi.numbers.remove(one["vapi_phone_number_id"])
    return callgate, numbers[:GONE]


async def listed(callgate: Replica) -> set[str]:
    path = f"/phone-numbers?{LIST.partition('?')[2]}&limit=100"
    return {one["id"] for one in (await callgate.api("GET", path)).json["items"]}


async def said(callgate: Replica) -> str:
    """The sentence of the condition; "" if there is none."""
    found = await callgate.service.use_cases.conditions.read()
    return next((one.text for one in found if one.kind == "numbers_unlisted"), "")


async def test_a_dry_run_names_them_and_leads_to_them(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, gone = await deleted(start_replica, vapi)
    assert (await said(callgate), await listed(callgate)) == ("", set())
    answer = await callgate.api("POST", "/reconcile", {"dry_run": True})
    assert (answer.status, answer.json["code"]) == (503, "vapi_list_implausible")
    assert answer.json["unlisted"] == GONE
    assert {one["phone_number_id"] for one in answer.json["numbers"]} == {one["id"] for one in gone}
    assert f"does not list {GONE} of {COUNT} registered numbers: Line " in answer.json["detail"]
    assert "and 7 more" in answer.json["detail"]
    assert "VAPI_API_KEY" in answer.json["detail"]
    assert await listed(callgate) == {one["id"] for one in gone}
    assert f"{GONE} numbers" in await said(callgate)
    async with visiting(callgate, "viewer", "Vic") as vic:
        shown = await vic.post("/repairs/look")
        assert f"does not list {GONE} of {COUNT}" in shown.text
        assert f"/admin{LIST}" in shown.links
        assert await rows_of(vic, LIST) == GONE
        for page in (await vic.get(""), await vic.post("/health"), await vic.get("/numbers")):
            assert f"{GONE} numbers" in page.text
            assert f"/admin{LIST}" in page.links


async def test_each_sweep_proves_some_and_then_the_list_is_believed(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, gone = await deleted(start_replica, vapi)
    assert (await callgate.api("POST", "/reconcile")).status == 503

    async def proved() -> bool:
        return len(await listed(callgate)) == GONE - 10

    await eventually(proved)
    assert "2 numbers" in await said(callgate)
    report = (await callgate.api("POST", "/reconcile")).json
    assert {one["phone_number_id"] for one in report["missing_numbers"]} == {
        one["id"] for one in gone
    }
    assert (await said(callgate), await listed(callgate)) == ("", set())


async def test_a_list_that_is_whole_again_ends_it_and_an_outage_does_not(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, gone = await deleted(start_replica, vapi)
    dry_run = {"dry_run": True}
    assert (await callgate.api("POST", "/reconcile", dry_run)).status == 503
    vapi.fail("GET /v2/phone-number", status=502)
    assert (await callgate.api("POST", "/reconcile", dry_run)).status == 503
    assert f"{GONE} numbers" in await said(callgate)
    vapi.faults.clear()
    shown = [{"id": one["vapi_phone_number_id"], "provider": "vapi"} for one in gone]
    kept = [dict(number) for number in vapi.numbers]
    vapi.fail("GET /v2/phone-number", answer={"results": [*kept, *shown]})
    assert (await callgate.api("POST", "/reconcile", dry_run)).status == 200
    assert (await said(callgate), await listed(callgate)) == ("", set())
