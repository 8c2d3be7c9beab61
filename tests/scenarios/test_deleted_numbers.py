"""A number that was deleted at Vapi: each page, list, dry run and command names it, and sums add up."""

from typing import Any

from service.domain.sweeps import REMOVE
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica
from tests.support.visiting import visiting


async def lines(callgate: Replica, vapi: SandboxVapi, count: int) -> list[Any]:
    """Registered numbers of an organization, each with a label."""
    owner = await callgate.add_organization("Bakery")
    return [
        await callgate.add_number(owner, vapi_id, label=f"Line {place}")
        for place, vapi_id in enumerate(vapi.add_numbers(count))
    ]


async def state(callgate: Replica, number: Any) -> str:
    found = (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json
    return str(found["sync"]["state"])


def adds_up(report: Any) -> bool:
    """Whether the parts of a report are the whole."""
    parts = report["in_sync"] + report["drifted"] + report["missing"] + report["remaining"]
    return bool(report["checked"] == parts and report["missing"] == len(report["missing_numbers"]))


async def test_a_dry_run_names_what_vapi_no_longer_has(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    gone, drifted, *_ = await lines(callgate, vapi, 5)
    vapi.numbers.remove(gone["vapi_phone_number_id"])
    async with visiting(callgate, "viewer", "Vic") as vic:
        for _ in range(2):
            shown = await vic.post("/repairs/look")
            assert "5 checked: 4 in sync, 1 missing at Vapi." in shown.text
            assert f"Line 0 · {gone['number']}" in shown.text
            assert REMOVE in shown.text
            assert "Every number's webhook at Vapi is the desired one" not in shown.text
        assert "Vapi no longer has this number" in (await vic.get(f"/numbers/{gone['id']}")).text
    report = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert adds_up(report)
    assert [one["label"] for one in report["missing_numbers"]] == ["Line 0"]
    assert await state(callgate, gone) == "missing"
    vapi.edit_number(drifted["vapi_phone_number_id"], server={"url": "https://theirs.example.com"})
    report = (await callgate.api("POST", "/reconcile")).json
    assert (report["repaired"], report["failed"], report["missing"]) == (1, 1, 1)
    assert adds_up(report)


async def test_repairs_beside_a_missing_number_add_up(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    """The number is found to be missing by the sweep that repairs the others."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    gone, *others = await lines(callgate, vapi, 4)
    for one in others:
        vapi.edit_number(one["vapi_phone_number_id"], server={"url": "https://theirs.example.com"})
    async with visiting(callgate) as ada:
        shown = await ada.post("/repairs/look")
        plan = shown.body.partition('name="plan" value="')[2].partition('"')[0]
        vapi.numbers.remove(gone["vapi_phone_number_id"])
        shown = await ada.post("/repairs/apply", {"plan": plan})
        assert "3 of 3 numbers repaired. Missing at Vapi: Line 0" in shown.text
        assert "failed" not in shown.text.partition("Missing at Vapi")[0]


async def test_what_the_list_omits_and_vapi_has_is_compared_in_a_dry_run(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    hidden, *shown = await lines(callgate, vapi, 4)
    listed = [vapi.numbers.find(one["vapi_phone_number_id"]) for one in shown]
    vapi.edit_number(hidden["vapi_phone_number_id"], server={"url": "https://theirs.example.com"})
    vapi.fail("GET /v2/phone-number", answer={"results": listed})
    report = (await callgate.api("POST", "/reconcile", {"dry_run": True})).json
    assert (report["checked"], report["drifted"], report["missing"]) == (4, 1, 0)
    assert adds_up(report)


async def test_the_page_of_a_deleted_number_is_not_in_sync_beside_the_finding(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    gone, other = await lines(callgate, vapi, 2)
    vapi.numbers.remove(gone["vapi_phone_number_id"])
    vapi.numbers.remove(other["vapi_phone_number_id"])
    async with visiting(callgate) as ada:
        page = f"/numbers/{gone['id']}"
        part = await ada.get(f"{page}/route", htmx=True)
        assert 'hx-swap-oob="true"' in part.body
        assert "Vapi no longer has this number" in part.text
        assert "In sync" not in (await ada.get(page)).text
    answer = await callgate.api("GET", f"/phone-numbers/{other['id']}/coverage")
    assert answer.json["code"] == "vapi_phone_number_not_found"
    assert await state(callgate, other) == "missing"


async def test_a_deleted_number_has_no_hole_through_which_calls_could_get(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    """Nothing is attached to what does not exist, and no caller reaches it."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    owner = await callgate.add_organization("Bakery")
    vapi_id = vapi.add_number(provider="vapi", assistantId=vapi.add_assistant()["id"])["id"]
    gone = await callgate.add_number(owner, vapi_id, gate="request")
    vapi.numbers.remove(vapi_id)
    await callgate.api("POST", f"/phone-numbers/{gone['id']}/sync")
    assert await state(callgate, gone) == "missing"
    callgate.service.use_cases.conditions.stored.holes_read_at = float("-inf")
    async with visiting(callgate) as ada:
        for page in ((await ada.get("")).text, (await ada.post("/health")).text):
            assert "Missing at Vapi: 1 number." in page
            assert "still attached" not in page
            assert "Web calls of these organizations" not in page
    for condition in ("still_bound", "web_unregistered"):
        listed = await callgate.api("GET", f"/phone-numbers?condition={condition}")
        assert listed.json["items"] == []
