"""Releasing, moving, changing and listing numbers over the API."""

import asyncio
from typing import Any
from uuid import uuid4

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.web.api.phone_numbers.helpers import BEFORE, add, is_ours, server


async def test_a_number_being_released_can_be_added_again_and_keeps_what_was_before(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", number="+15550100003", server=BEFORE)["id"]
    first = await add(api, await api.organization("One"), vapi_id, label="old", gate="request")
    await vapi.down()
    assert (await api.ask("DELETE", f"/phone-numbers/{first['id']}")).status == 204
    assert (await api.get("/phone-numbers"))["items"] == []
    other = await api.organization("Two")
    again = await add(api, other, vapi_id)
    assert again["organization_id"] == other["id"]
    assert (again["label"], again["gate"], again["number"]) == (None, "event", "+15550100003")
    assert again["sync"]["state"] == "pending"
    await vapi.up()
    reply = await api.ask("POST", f"/phone-numbers/{again['id']}/sync")
    assert reply.json["sync"]["state"] == "in_sync"
    assert (await api.ask("DELETE", f"/phone-numbers/{again['id']}")).status == 204
    assert server(vapi, vapi_id)["url"] == BEFORE["url"]


async def test_a_number_added_again_while_it_is_being_released_is_configured_anew(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", server=BEFORE)["id"]
    organization = await api.organization()
    first = await add(api, organization, vapi_id)
    slow = vapi.fail_next("PATCH /phone-number/*", latency=0.5)
    releasing = asyncio.create_task(api.ask("DELETE", f"/phone-numbers/{first['id']}"))
    while not slow.hits:
        await asyncio.sleep(0.01)
    again = await add(api, organization, vapi_id)
    assert (await releasing).status == 204
    assert again["sync"]["state"] == "in_sync"
    assert is_ours(api, server(vapi, vapi_id))
    assert (await api.ask("DELETE", f"/phone-numbers/{again['id']}")).status == 204
    assert server(vapi, vapi_id)["url"] == BEFORE["url"]


async def test_an_organization_with_numbers_cannot_be_removed(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    organization = await api.organization()
    made = await add(api, organization, vapi.add_number(provider="vapi")["id"])
    path = f"/organizations/{organization['id']}"
    reply = await api.ask("DELETE", path)
    assert (reply.status, reply.code) == (409, "organization_has_phone_numbers")
    assert (await api.get(path))["id"] == organization["id"]
    await vapi.down()
    await api.ask("DELETE", f"/phone-numbers/{made['id']}")
    assert (await api.ask("DELETE", path)).status == 204


async def test_a_patch_changes_only_what_is_sent(api: ApiClient, vapi: SandboxVapi) -> None:
    made = await add(
        api,
        await api.organization("One"),
        vapi.add_number(provider="vapi")["id"],
        label="x",
        answer_with={"squadId": "s"},
    )
    path = f"/phone-numbers/{made['id']}"
    other = await api.organization("Two")
    asked = len(vapi.requests())
    for change in (
        {"label": "new"},
        {"label": None},
        {},
    ):
        reply = await api.ask("PATCH", path, change)
        assert reply.status == 200
        expected = {**made, **change, "updated_at": reply.json["updated_at"]}
        assert reply.json == expected
        made = reply.json
    assert len(vapi.requests()) == asked
    written: list[dict[str, Any]] = [
        {"organization_id": other["id"]},
        {"gate": "request"},
        {"answer_with": {"workflowId": "w"}},
        {"answer_with": None},
    ]
    for fields in written:
        reply = await api.ask("PATCH", path, fields)
        assert reply.json["sync"]["state"] == "in_sync"
        # Both follow from what Vapi has, not from what was sent.
        follows = {"sync": None, "unanswered": None}
        made = {**made, **fields, "updated_at": reply.json["updated_at"], **follows}
        assert {**reply.json, **follows} == made


async def test_a_number_that_moves_is_seen_by_the_gate_at_once(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi")["id"]
    one, two = await api.organization("One"), await api.organization("Two")
    made = await add(api, one, vapi_id)
    directory = api.service.access.directory

    def owner() -> str | None:
        found = directory.find([vapi_id], [])
        return str(found.organization.id) if found else None

    assert owner() == one["id"]
    await api.ask("PATCH", f"/phone-numbers/{made['id']}", {"organization_id": two["id"]})
    assert owner() == two["id"]
    await api.ask("DELETE", f"/phone-numbers/{made['id']}")
    assert owner() is None


async def test_concurrent_patches_of_different_fields_both_count(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    made = await add(api, await api.organization(), vapi.add_number(provider="vapi")["id"])
    path = f"/phone-numbers/{made['id']}"
    other = await api.organization("Two")
    for number in range(5):
        await asyncio.gather(
            api.ask("PATCH", path, {"label": f"label {number}"}),
            api.ask("PATCH", path, {"organization_id": other["id"]}),
        )
        found = await api.get(path)
        assert (found["label"], found["organization_id"]) == (f"label {number}", other["id"])


SENSELESS: list[dict[str, Any]] = [
    {"organization_id": None},
    {"organization_id": "1"},
    {"organization_id": "{00000000-0000-0000-0000-000000000000}"},
    {"organization_id": "urn:uuid:00000000-0000-0000-0000-000000000000"},
    {"gate": "ring"},
    {"gate": None},
    {"label": ""},
    {"label": "a\r\nb"},
    {"label": "x" * 201},
    {"answer_with": {}},
    {"answer_with": []},
    {"answer_with": "asst"},
    {"answer_with": {"assistantId": None}},
    {"answer_with": {"assistantId": ""}},
    {"answer_with": {"assistantId": 7}},
    {"answer_with": {"assistantId": "a/b"}},
    {"answer_with": {"assistantId": "a", "squadId": "b"}},
    {"answer_with": {"assistantId": "a", "destination": {}}},
    {"answer_with": {"assistantOverrides": {}}},
    {"answer_with": {"assistantId": "a", "assistantOverrides": None}},
    {"answer_with": {"assistantId": "a", "assistantOverrides": []}},
    {"answer_with": {"assistantId": "a", "assistantOverrides": {"x": "y" * 70_000}}},
    {"number": "+15550100002"},
    {"sync": {}},
]


async def test_a_number_that_makes_no_sense_is_refused(api: ApiClient, vapi: SandboxVapi) -> None:
    organization = await api.organization()
    made = await add(api, organization, vapi.add_number(provider="vapi")["id"])
    free = vapi.add_number(provider="vapi")["id"]
    asked = len(vapi.requests())
    for fields in (*SENSELESS, {"vapi_phone_number_id": "../call/1"}):
        body = {"organization_id": organization["id"], "vapi_phone_number_id": free, **fields}
        reply = await api.ask("POST", "/phone-numbers", body)
        assert (reply.status, reply.code) == (422, "invalid_body"), fields
        reply = await api.ask("PATCH", f"/phone-numbers/{made['id']}", fields)
        assert (reply.status, reply.code) == (422, "invalid_body"), fields
    reply = await api.ask(
        "PATCH", f"/phone-numbers/{made['id']}", {"organization_id": str(uuid4())}
    )
    assert (reply.status, reply.code) == (422, "organization_not_found")
    assert (await api.get("/phone-numbers"))["items"] == [made]
    assert len(vapi.requests()) == asked


async def test_the_list_filters_and_pages(api: ApiClient, vapi: SandboxVapi) -> None:
    one, two = await api.organization("One"), await api.organization("Two")
    made = [
        await add(api, organization, vapi.add_number(provider="vapi")["id"])
        for organization in (one, two, one, two, one)
    ]
    await api.service.pool.execute(
        "UPDATE callgate.webhook_states SET state = 'drifted' WHERE phone_number_id = $1",
        made[0]["id"],
    )
    seen = []
    cursor = ""
    while True:
        page = await api.get(f"/phone-numbers?limit=2{cursor}")
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(number["id"] for number in made)
    page = await api.get(f"/phone-numbers?organization_id={two['id']}")
    assert {item["id"] for item in page["items"]} == {made[1]["id"], made[3]["id"]}
    page = await api.get("/phone-numbers?sync_state=drifted")
    assert [item["id"] for item in page["items"]] == [made[0]["id"]]
    page = await api.get(f"/phone-numbers?organization_id={two['id']}&sync_state=drifted")
    assert page["items"] == []


async def test_every_change_of_a_number_is_audited(api: ApiClient, vapi: SandboxVapi) -> None:
    made = await add(api, await api.organization(), vapi.add_number(provider="vapi")["id"])
    path = f"/phone-numbers/{made['id']}"
    await api.ask("PATCH", path, {"label": "x"})
    await api.ask("DELETE", path)
    entries = await api.audit(made["id"])
    assert [entry["action"] for entry in entries] == [
        "phone_number.released",
        "phone_number.changed",
        "phone_number.created",
    ]
    assert {entry["object_type"] for entry in entries} == {"phone_number"}
    released, changed, created = entries
    assert created["before"] is None
    assert released["after"] is None
    assert (changed["before"]["label"], changed["after"]["label"]) == (None, "x")
