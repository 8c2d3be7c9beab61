"""`ETag` and `If-Match`: a change that expects another version changes nothing."""

import asyncio
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.support.replies import Reply

PLAN = {"code": "pro", "status": "active"}


async def change(api: ApiClient, method: str, path: str, tag: str, body: Any = None) -> Reply:
    return await api.ask(method, path, body, headers={"If-Match": tag})


async def tag_of(api: ApiClient, path: str) -> str:
    return (await api.ask("GET", path)).headers["ETag"]


@pytest.fixture
async def organization(api: ApiClient) -> str:
    return f"/organizations/{(await api.organization())['id']}"


async def test_a_change_in_the_version_that_was_read_is_made(
    api: ApiClient, organization: str
) -> None:
    first = await tag_of(api, organization)
    changed = await change(api, "PATCH", organization, first, {"name": "Baker"})
    assert (changed.status, changed.json["name"]) == (200, "Baker")
    second = changed.headers["ETag"]
    assert second == await tag_of(api, organization) != first
    planned = await change(api, "PUT", f"{organization}/plan", second, PLAN)
    assert planned.status == 200
    assert planned.headers["ETag"] not in (first, second)
    assert (await change(api, "DELETE", organization, planned.headers["ETag"])).status == 204


@pytest.mark.parametrize("tag", ["*", '"0", {tag}', ' {tag} ,, W/"x"', 'W/"x",{tag}'])
async def test_lists_and_any(api: ApiClient, organization: str, tag: str) -> None:
    sent = tag.format(tag=await tag_of(api, organization))
    assert (await change(api, "PATCH", organization, sent, {"name": "B"})).status == 200


async def test_a_weak_tag_fits_nothing(api: ApiClient, organization: str) -> None:
    sent = f"W/{await tag_of(api, organization)}"
    assert (await change(api, "PATCH", organization, sent, {"name": "B"})).status == 412


@pytest.mark.parametrize("tag", ["", "abc", '"a', '"a" "b"', '*, "a"', 'w/"a"', '"' * 5000])
async def test_a_malformed_header_is_refused(api: ApiClient, organization: str, tag: str) -> None:
    reply = await change(api, "PATCH", organization, tag, {"name": "B"})
    assert (reply.status, reply.json["code"]) == (400, "invalid_if_match")


async def test_what_changes_by_itself_is_no_other_version(
    api: ApiClient, vapi: SandboxVapi, organization: str
) -> None:
    made = await api.ask(
        "POST",
        "/phone-numbers",
        {
            "organization_id": organization.rpartition("/")[2],
            "vapi_phone_number_id": vapi.add_numbers(1)[0],
        },
    )
    path = f"/phone-numbers/{made.json['id']}"
    first = await api.ask("GET", path)
    await api.ask("POST", f"{path}/sync")
    second = await api.ask("GET", path)
    assert first.json["sync"]["last_checked_at"] != second.json["sync"]["last_checked_at"]
    assert made.headers["ETag"] == first.headers["ETag"] == second.headers["ETag"]
    assert (await change(api, "PATCH", path, made.headers["ETag"], {"label": "x"})).status == 200
    assert (await change(api, "DELETE", path, made.headers["ETag"])).status == 412


async def test_of_two_changes_at_once_one_is_made(api: ApiClient, organization: str) -> None:
    tag = await tag_of(api, organization)
    replies = await asyncio.gather(
        *(change(api, "PATCH", organization, tag, {"name": f"N{n}"}) for n in range(8))
    )
    assert sorted(reply.status for reply in replies) == [200] + [412] * 7


async def test_an_object_that_is_gone_is_not_found(api: ApiClient, organization: str) -> None:
    tag = await tag_of(api, organization)
    await api.ask("DELETE", organization)
    assert (await change(api, "PATCH", organization, tag, {"name": "B"})).status == 404
