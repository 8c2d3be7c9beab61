"""Repairs and unknown numbers in the panel over real HTTP: reviewing, applying, pausing, ignoring."""

import re
from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually
from tests.support.visiting import rows_of, visiting

THEIRS = {"url": "https://somebody.example.com/vapi"}


def url_of(vapi: SandboxVapi, vapi_id: str) -> Any:
    return (vapi.numbers.find(vapi_id) or {})["server"]["url"]


async def drifted(callgate: Replica, vapi: SandboxVapi, count: int) -> list[str]:
    """Registered numbers whose webhooks were changed at Vapi."""
    organization = await callgate.add_organization("Bakery")
    ids = vapi.add_numbers(count)
    for vapi_id in ids:
        await callgate.add_number(organization, vapi_id)
    for vapi_id in ids:
        vapi.edit_number(vapi_id, server=dict(THEIRS))
    return ids


async def test_a_look_changes_nothing_and_applying_it_repairs(
    start_replica: Any, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0)
    ids = await drifted(callgate, vapi, 12)
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        shown = await vic.post("/repairs/look")
        assert shown.status == 200
        assert THEIRS["url"] in shown.text
        assert shown.forms == []
        shown = await ada.post("/repairs/look")
        assert "more than the 10 numbers that a sweep may change without approval" in shown.text
        assert {url_of(vapi, vapi_id) for vapi_id in ids} == {THEIRS["url"]}
        for plan, status in (("", 422), ("another", 409)):
            refused = await ada.post("/repairs/apply", {"plan": plan})
            assert refused.status == status
            assert "dry run" in refused.text
        assert {url_of(vapi, vapi_id) for vapi_id in ids} == {THEIRS["url"]}
        plan = shown.body.partition('name="plan" value="')[2].partition('"')[0]
        shown = await ada.post("/repairs/apply", {"plan": plan})
        assert "12 of 12 numbers repaired." in shown.text
        assert THEIRS["url"] not in {url_of(vapi, vapi_id) for vapi_id in ids}
        assert "In sync" in (await ada.post("/repairs/look")).text


async def test_everything_is_paused_and_resumed(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        assert (await ada.post("/repairs/pause", {"reason": ""})).status == 422
        shown = await ada.post("/repairs/pause", {"reason": "Vapi migrates"})
        assert "Repairs are paused by Ada until an admin resumes them" in shown.text
        assert "“Vapi migrates”" in shown.text
        assert "Undo" in shown.text
        assert "paused by" not in (await ada.post("/repairs/resume")).text


async def test_a_vapi_that_is_away_is_told(callgate: Replica, vapi: SandboxVapi) -> None:
    await callgate.add_number(await callgate.add_organization(), vapi.add_numbers(1)[0])
    async with visiting(callgate) as ada:
        vapi.fail("GET *", status=500)
        shown = await ada.post("/repairs/look")
        assert shown.status == 503
        assert 'role="alert"' in shown.body


async def test_an_unknown_number_is_put_aside_taken_up_and_claimed(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_numbers(1)[0]
    message = {"type": "status-update", "call": {"id": "call-1", "phoneNumberId": vapi_id}}
    assert (await callgate.post({"message": message})).status == 404
    async with visiting(callgate) as ada, visiting(callgate, "viewer", "Vic") as vic:
        shown = await vic.get("/unknown-numbers")
        assert vapi_id in shown.text
        assert "neither lets these calls through" not in shown.text  # those that do not ask go on
        other = {"type": "status-update", "call": {"id": "call-2", "phoneNumberId": vapi_id}}
        assert (await callgate.post({"message": other})).status == 404

        async def counted() -> int:
            body = (await vic.get("/unknown-numbers")).body
            found = re.search(r'<a href="/admin(/calls\?search=[^"]+)">2</a>', body)
            return 0 if found is None else await rows_of(vic, found[1])

        assert await eventually(counted) == 2
        assert (await vic.post(f"/unknown-numbers/{vapi_id}/ignore")).status == 403
        shown = await ada.post(f"/unknown-numbers/{vapi_id}/ignore")
        assert "The number is ignored." in shown.text
        assert "No unknown numbers" in shown.text
        assert vapi_id in (await ada.get("/unknown-numbers?ignored=true")).text
        shown = await ada.post(f"/unknown-numbers/{vapi_id}/heed")
        claim = f"/admin/numbers/new?vapi_phone_number_id={vapi_id}"
        assert claim in shown.links
        organization = await callgate.add_organization("Bakery")
        shown = await ada.get(f"/numbers/new?vapi_phone_number_id={vapi_id}&query=bakery")
        step = f"/numbers/new?vapi_phone_number_id={vapi_id}&organization_id={organization}"
        assert f"/admin{step}" in shown.links
        assert (await ada.post(step, {"gate": "event"})).status == 200
        assert "No unknown numbers" in (await ada.get("/unknown-numbers")).text
        assert (await ada.post("/unknown-numbers/nobody/ignore")).status == 404
        assert (await ada.get("/unknown-numbers?cursor=%21")).status in (200, 400, 422)
