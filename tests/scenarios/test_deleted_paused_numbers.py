"""A paused number that was deleted at Vapi: paused means that nothing is written, not that nothing is
read. It is missing, and still paused."""

from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually
from tests.support.visiting import visiting

REASON = {"reason": "The agency is moving it."}


async def number_of(callgate: Replica, number: Any) -> Any:
    return (await callgate.api("GET", f"/phone-numbers/{number['id']}")).json


async def lines(start_replica: Start, vapi: SandboxVapi) -> tuple[Replica, list[Any]]:
    """Three numbers; the first is paused."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    owner = await callgate.add_organization("Bakery")
    numbers = [await callgate.add_number(owner, one) for one in vapi.add_numbers(3)]
    await callgate.api("PUT", f"/phone-numbers/{numbers[0]['id']}/pause", REASON)
    return callgate, numbers


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_sweep_finds_it(start_replica: Start, vapi: SandboxVapi, *, dry_run: bool) -> None:
    callgate, (gone, *_) = await lines(start_replica, vapi)
    vapi.numbers.remove(gone["vapi_phone_number_id"])
    for _ in range(2):
        report = (await callgate.api("POST", "/reconcile", {"dry_run": dry_run})).json
        assert (report["checked"], report["in_sync"], report["missing"]) == (3, 2, 1)
        assert (report["unread"], report["unknown"], report["failed"]) == (0, 0, 1)
        assert [one["phone_number_id"] for one in report["missing_numbers"]] == [gone["id"]]
        found = await number_of(callgate, gone)
        assert (found["sync"]["state"], found["pause"]["reason"]) == ("missing", REASON["reason"])
    listed = (await callgate.api("GET", "/phone-numbers?sync_state=missing")).json["items"]
    assert [one["id"] for one in listed] == [gone["id"]]
    kinds = [one.kind for one in await callgate.service.use_cases.conditions.read()]
    assert "numbers_missing" in kinds
    async with visiting(callgate) as ada:
        for page in ("/numbers?paused=true", f"/numbers/{gone['id']}"):
            shown = (await ada.get(page)).text
            assert "Missing" in shown
            assert "Paused" in shown
        assert "Vapi no longer has this number. Repairs are paused by" in shown
        assert "is missing" in (await ada.post("/health")).text


async def test_it_is_paused_again_once_vapi_lists_it(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, (gone, *_) = await lines(start_replica, vapi)
    vapi_id = gone["vapi_phone_number_id"]
    kept = dict(vapi.numbers.find(vapi_id) or {})
    for server in (kept["server"], {"url": "https://theirs.example.com"}):
        vapi.numbers.remove(vapi_id)
        await callgate.api("POST", "/reconcile")
        assert (await number_of(callgate, gone))["sync"]["state"] == "missing"
        vapi.add_number(**{**kept, "server": server})
        await callgate.api("POST", "/reconcile")

        async def paused() -> bool:
            return bool((await number_of(callgate, gone))["sync"]["state"] == "paused")

        await eventually(paused)
        assert (await number_of(callgate, gone))["pause"] is not None
        seen = vapi.numbers.find(vapi_id) or {}
        assert seen["server"] == server


async def test_a_pause_leaves_it_missing_and_its_end_tries_it_again(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, (gone, other, _) = await lines(start_replica, vapi)
    for one in (gone, other):
        vapi.numbers.remove(one["vapi_phone_number_id"])
    await callgate.api("POST", "/reconcile")
    place = f"/phone-numbers/{other['id']}"
    paused = (await callgate.api("PUT", f"{place}/pause", REASON)).json
    assert (paused["sync"]["state"], paused["pause"] is None) == ("missing", False)
    await callgate.api("DELETE", f"{place}/pause")
    await callgate.api("POST", f"{place}/sync")
    found = await number_of(callgate, other)
    assert (found["sync"]["state"], found["pause"]) == ("missing", None)


async def test_a_paused_number_that_vapi_does_not_answer_about_stays_paused(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate, (gone, *_) = await lines(start_replica, vapi)
    vapi.numbers.remove(gone["vapi_phone_number_id"])
    vapi.fail("GET /phone-number/*", status=502)
    report = (await callgate.api("POST", "/reconcile")).json
    assert (report["missing"], report["unknown"]) == (0, 1)
    assert (await number_of(callgate, gone))["sync"]["state"] == "paused"
