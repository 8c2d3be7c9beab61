"""Organizations over the API: what is sent is what is kept, and only what is sent changes."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api import ApiClient

FULL: dict[str, Any] = {
    "name": "Zoë's Pizzeria & Söhne 🍕",
    "external_id": "crm-17",
    "blocked_message": "Please call again later.",
    "forward_url": "https://hooks.example.com/vapi?a=b",
    "attributes": {"tier": 3, "tags": ["a", None, 1.5], "nested": {"ok": True}},
    "assistant_ids": ["asst-1", "asst-2"],
    "time_zone": "Europe/Berlin",
}


async def test_a_new_organization_is_returned_whole_and_found_at_its_location(
    api: ApiClient,
) -> None:
    reply = await api.ask("POST", "/organizations", FULL)
    assert reply.status == 201
    made = reply.json
    assert {key: made[key] for key in FULL} == FULL
    assert made["plan"] is made["trial"] is made["override"] is None
    assert made["access"] == {"allowed": False, "policy": None, "reason": "no_plan_or_trial"}
    assert made["created_at"].endswith("Z")
    assert reply.headers["Location"] == f"/api/v1/organizations/{made['id']}"
    assert (await api.ask("GET", reply.headers["Location"], root="")).json == made


async def test_the_fields_that_may_be_left_out_are_null_or_empty(api: ApiClient) -> None:
    made = await api.organization("Acme")
    assert made["external_id"] is made["blocked_message"] is made["forward_url"] is None
    assert made["attributes"] == {}
    assert made["assistant_ids"] == []


async def test_a_time_zone_is_one_that_exists(api: ApiClient) -> None:
    made = await api.organization(time_zone=" america/new york ")
    assert made["time_zone"] == "America/New_York"
    path = f"/organizations/{made['id']}"
    for text in ("Mars/Olympus", "", "../UTC", "Europe", "x" * 200, 7):
        reply = await api.ask("PATCH", path, {"time_zone": text})
        assert reply.status == 422, text
        assert [fault["field"] for fault in reply.json["errors"]] == ["time_zone"]
    assert (await api.ask("PATCH", path, {"time_zone": None})).json["time_zone"] is None


async def test_a_patch_changes_only_what_is_sent(api: ApiClient) -> None:
    made = await api.organization(**FULL)
    path = f"/organizations/{made['id']}"
    for field in ("external_id", "blocked_message", "forward_url"):
        reply = await api.ask("PATCH", path, {field: None})
        assert reply.status == 200
        assert reply.json[field] is None
    reply = await api.ask("PATCH", path, {"name": "New", "attributes": {"a": 1}})
    expected = {
        **made,
        "name": "New",
        "attributes": {"a": 1},
        "external_id": None,
        "blocked_message": None,
        "forward_url": None,
    }
    found = await api.get(path)
    assert found["updated_at"] > made["updated_at"]
    assert found == {**expected, "updated_at": found["updated_at"]}
    assert reply.json == found


async def test_an_empty_patch_changes_nothing_and_leaves_no_trace(api: ApiClient) -> None:
    made = await api.organization()
    reply = await api.ask("PATCH", f"/organizations/{made['id']}", {})
    assert reply.status == 200
    assert reply.json == made
    assert len(await api.audit(made["id"])) == 1


@pytest.mark.parametrize("field", ["name", "attributes", "assistant_ids"])
async def test_what_cannot_be_empty_cannot_be_cleared(api: ApiClient, field: str) -> None:
    made = await api.organization()
    reply = await api.ask("PATCH", f"/organizations/{made['id']}", {field: None})
    assert reply.status == 422
    assert await api.get(f"/organizations/{made['id']}") == made


async def test_a_deleted_organization_is_gone(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    reply = await api.ask("DELETE", path)
    assert (reply.status, reply.body) == (204, b"")
    for method in ("GET", "DELETE"):
        reply = await api.ask(method, path)
        assert (reply.status, reply.code) == (404, "organization_not_found")
    assert (await api.ask("PATCH", path, {"name": "x"})).code == "organization_not_found"


async def test_an_external_id_belongs_to_one_organization(api: ApiClient) -> None:
    await api.organization("One", external_id="x")
    other = await api.organization("Two")
    for reply in (
        await api.ask("POST", "/organizations", {"name": "Three", "external_id": "x"}),
        await api.ask("PATCH", f"/organizations/{other['id']}", {"external_id": "x"}),
    ):
        assert (reply.status, reply.code) == (409, "external_id_taken")
    assert [item["name"] for item in (await api.get("/organizations"))["items"]] == ["One", "Two"]


async def test_an_assistant_belongs_to_one_organization(api: ApiClient) -> None:
    await api.organization("One", assistant_ids=["a"])
    reply = await api.ask("POST", "/organizations", {"name": "Two", "assistant_ids": ["b", "a"]})
    assert (reply.status, reply.code) == (409, "assistant_taken")
    assert len((await api.get("/organizations"))["items"]) == 1


async def test_the_list_pages_through_every_organization_once(api: ApiClient) -> None:
    names = [f"{first}{rest}" for first in "aBcÄßİ" for rest in ("", "a", "B")]
    for name in names:
        await api.organization(name)
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/organizations?limit=4{cursor}")
        seen += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 4
        cursor = f"&cursor={quote(page['next_cursor'])}"
    assert sorted(seen) == sorted(names)


async def test_a_page_that_ends_exactly_has_no_successor(api: ApiClient) -> None:
    await api.organization("One")
    await api.organization("Two")
    page = await api.get("/organizations?limit=2")
    assert len(page["items"]) == 2
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PIZZ", ["Pizza 100%"]),
        ("100%", ["Pizza 100%"]),
        ("%", ["Pizza 100%"]),
        ("_", ["under_score"]),
        ("\\", ["back\\slash"]),
        ("crm-", ["under_score"]),
        ("nobody", []),
        ("", ["back\\slash", "Pizza 100%", "under_score"]),
    ],
)
async def test_the_query_finds_any_part_of_name_or_external_id(
    api: ApiClient, query: str, found: list[str]
) -> None:
    await api.organization("Pizza 100%")
    await api.organization("under_score", external_id="CRM-9")
    await api.organization("back\\slash")
    page = await api.get(f"/organizations?query={quote(query)}")
    assert [item["name"] for item in page["items"]] == found


async def test_the_list_filters_by_access_and_fills_its_pages(api: ApiClient) -> None:
    for number in range(12):
        made = await api.organization(f"org {number:02}")
        if number % 3 == 0:
            await api.ask(
                "PUT", f"/organizations/{made['id']}/plan", {"code": "pro", "status": "active"}
            )
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/organizations?allowed=true&limit=3{cursor}")
        assert all(item["access"]["allowed"] for item in page["items"])
        seen += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 3
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["org 00", "org 03", "org 06", "org 09"]
    denied = await api.get("/organizations?allowed=false&query=org%200")
    assert len(denied["items"]) == 6
