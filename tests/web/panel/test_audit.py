"""The audit in the panel: filters, one entry, and the button that takes it back."""

import re

from tests.support.service import Replica
from tests.support.visiting import Visitor, visiting

PLAN = {"code": "pro", "status": "active"}


async def sentences(visitor: Visitor, query: str = "") -> list[str]:
    shown = await visitor.get(f"/audit{query}")
    assert shown.status == 200, shown.text
    return re.findall(r'<a href="/admin/audit/[0-9]+">([^<]*\.)</a>', shown.body)


async def test_entries_are_told_and_filtered(callgate: Replica) -> None:
    organization_id = await callgate.add_organization("Acme")
    async with visiting(callgate) as ada:
        await ada.post(f"/organizations/{organization_id}/plan", PLAN)
        mine = ["Gave Acme the plan pro (active)."]
        assert (await sentences(ada, "?object_type=organization")) == [
            *mine,
            "Added the organization Acme.",
        ]
        assert (await sentences(ada, "?actor=Ada&source=web&action=plan.put")) == mine
        assert (await sentences(ada, f"?object_id={organization_id}&source=web")) == mine
        assert (await sentences(ada, "?since=2020-01-01T00:00&action=plan.put")) == mine
        assert (await sentences(ada, "?until=2020-01-01T00:00")) == []
        assert len(await sentences(ada, "?limit=1")) == 1
        assert (await ada.get("/audit?since=yesterday")).status == 422


async def test_an_entry_has_an_address_and_a_way_back_that_is_used_once(callgate: Replica) -> None:
    organization_id = await callgate.add_organization("Acme")
    async with visiting(callgate) as ada:
        await ada.post(f"/organizations/{organization_id}/plan", PLAN)
        shown = await ada.get("/audit?action=plan.put")
        (entry,) = re.findall(r'href="/admin(/audit/[0-9]+)"', shown.body)
        shown = await ada.get(entry)
        assert "plan.code" in shown.text
        (undo,) = shown.forms
        shown = await ada.post(undo.removeprefix("/admin"))
        assert "The change was undone." in shown.text
        answer = await callgate.api("GET", f"/organizations/{organization_id}")
        assert answer.json["plan"] is None
        assert "Undone by" in (await ada.get(entry)).text
        assert (await ada.get(entry)).forms == []
        again = await ada.post(undo.removeprefix("/admin"))
        assert (again.status, "has changed since this entry" in again.text) == (409, True)


async def test_what_is_no_entry_is_not_found(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        for path in ("/audit/999", "/audit/x", "/audit/-1"):
            assert (await ada.get(path)).status == 404
        assert (await ada.post("/undo/999")).status == 404
