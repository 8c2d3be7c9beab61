"""Phone numbers over the API, with a stand-in for Vapi at the other end: both sides are looked at."""

import asyncio
from uuid import uuid4

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.web.api.phone_numbers.helpers import BEFORE, add, is_ours, server


async def test_adding_a_number_configures_it_at_vapi_at_once(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", number="+15550100002", server=BEFORE)["id"]
    organization = await api.organization()
    body = {
        "organization_id": organization["id"],
        "vapi_phone_number_id": vapi_id,
        "label": "Front desk",
        "gate": "request",
        "answer_with": {"assistantId": "asst-1", "assistantOverrides": {"a": None, "b": [1]}},
    }
    reply = await api.ask("POST", "/phone-numbers", body)
    assert reply.status == 201
    made = reply.json
    assert {key: made[key] for key in body} == body
    assert made["number"] == "+15550100002"
    assert made["sync"]["state"] == "in_sync"
    assert made["sync"]["level"] == "phone_number"
    assert made["sync"]["drift"] == []
    assert made["sync"]["last_error"] is None
    assert made["sync"]["last_checked_at"].endswith("Z")
    assert reply.headers["Location"] == f"/api/v1/phone-numbers/{made['id']}"
    assert (await api.ask("GET", reply.headers["Location"], root="")).json == made
    assert is_ours(api, server(vapi, vapi_id))
    assert b"the-webhook-secret-of-the-tests" not in reply.body


async def test_removing_a_number_puts_back_what_was_there(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", server=BEFORE)["id"]
    made = await add(api, await api.organization(), vapi_id)
    path = f"/phone-numbers/{made['id']}"
    reply = await api.ask("DELETE", path)
    assert (reply.status, reply.body) == (204, b"")
    assert server(vapi, vapi_id)["url"] == BEFORE["url"]
    for method, end in [("GET", ""), ("DELETE", ""), ("POST", "/sync")]:
        reply = await api.ask(method, path + end)
        assert (reply.status, reply.code) == (404, "phone_number_not_found")
    assert (await api.get("/phone-numbers"))["items"] == []
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 0


async def test_vapi_does_not_know_the_number(api: ApiClient) -> None:
    organization = await api.organization()
    body = {"organization_id": organization["id"], "vapi_phone_number_id": str(uuid4())}
    reply = await api.ask("POST", "/phone-numbers", body)
    assert (reply.status, reply.code) == (422, "vapi_phone_number_not_found")
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.phone_numbers") == 0


async def test_a_number_that_is_taken_is_refused_without_asking_vapi(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi")["id"]
    made = await add(api, await api.organization("One"), vapi_id)
    other = await api.organization("Two")
    asked = len(vapi.requests())
    body = {"organization_id": other["id"], "vapi_phone_number_id": vapi_id}
    reply = await api.ask("POST", "/phone-numbers", body)
    assert (reply.status, reply.code) == (409, "phone_number_taken")
    assert len(vapi.requests()) == asked
    assert await api.get(f"/phone-numbers/{made['id']}") == made


async def test_two_that_add_one_number_at_once_do_not_both_get_it(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", server=BEFORE)["id"]
    organization = await api.organization()
    body = {"organization_id": organization["id"], "vapi_phone_number_id": vapi_id}
    replies = await asyncio.gather(*(api.ask("POST", "/phone-numbers", body) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]
    assert len((await api.get("/phone-numbers"))["items"]) == 1


async def test_a_number_of_nobody_is_refused_without_asking_vapi(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi")["id"]
    body = {"organization_id": str(uuid4()), "vapi_phone_number_id": vapi_id}
    reply = await api.ask("POST", "/phone-numbers", body)
    assert (reply.status, reply.code) == (422, "organization_not_found")
    assert vapi.requests() == []


async def test_with_vapi_away_a_number_is_added_and_waits(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi")["id"]
    organization = await api.organization()
    await vapi.down()
    made = await add(api, organization, vapi_id)
    assert made["sync"]["state"] == "pending"
    assert made["sync"]["last_error"]
    assert made["sync"]["next_attempt_at"] is not None
    assert made["number"] is None
    await vapi.up()
    reply = await api.ask("POST", f"/phone-numbers/{made['id']}/sync")
    assert reply.status == 200
    assert reply.json["sync"]["state"] == "in_sync"
    assert is_ours(api, server(vapi, vapi_id))


async def test_a_vapi_that_stalls_does_not_keep_an_admin_waiting(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    api.service.use_cases.phone_numbers.vapi_seconds = 0.3
    vapi_id = vapi.add_number(provider="vapi")["id"]
    organization = await api.organization()
    vapi.fail("* /phone-number/*", stall=20)
    async with asyncio.timeout(5):
        made = await add(api, organization, vapi_id)
    assert made["sync"]["state"] == "pending"
    vapi.faults.clear()
    reply = await api.ask("POST", f"/phone-numbers/{made['id']}/sync")
    assert reply.json["sync"]["state"] == "in_sync"


async def test_numbers_are_found_by_a_part_of_what_names_them(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_number(provider="vapi", number="+15550100003")["id"]
    made = await add(api, await api.organization(), vapi_id)
    await api.ask("PATCH", f"/phone-numbers/{made['id']}", {"label": "Front desk"})
    for search in ("front", made["vapi_phone_number_id"], "Acme"):
        listed = await api.get(f"/phone-numbers?search={search}")
        assert [one["id"] for one in listed["items"]] == [made["id"]]
    assert (await api.get("/phone-numbers?search=nothing"))["items"] == []
