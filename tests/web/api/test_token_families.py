"""Tokens that end with the token or the admin that created them."""

import asyncio
from typing import Any

from service.admin.people.people import People
from tests.support.api import ApiClient
from tests.support.browsing import enter, submit
from tests.support.people import MAKER, add_admin


async def child_of(api: ApiClient, parent: Any, name: str) -> Any:
    return await api.with_token(parent["token"]).issue_token("admin", name=name)


async def status_of(api: ApiClient, token: Any) -> int:
    return (await api.with_token(token["token"]).ask("GET", "/policies")).status


async def test_tokens_end_with_the_token_that_created_them(api: ApiClient) -> None:
    parent = await api.issue_token("admin", name="parent")
    other = await api.issue_token("admin", name="other")
    child = await child_of(api, parent, "child")
    grandchild = await child_of(api, child, "grandchild")
    spared = await child_of(api, other, "spared")
    assert (await api.ask("DELETE", f"/tokens/{parent['id']}")).status == 204
    assert [await status_of(api, one) for one in (parent, child, grandchild)] == [401] * 3
    assert [await status_of(api, one) for one in (other, spared)] == [200] * 2
    for one in (child, grandchild):
        entry = (await api.audit(one["id"]))[0]
        assert (entry["action"], entry["actor"]) == ("token.revoked", "admin-token")
        assert entry["before"]["created_by"] == one["created_by"]


async def test_a_token_that_is_created_meanwhile_ends_too(api: ApiClient) -> None:
    parent = await api.issue_token("admin", name="parent")
    client = api.with_token(parent["token"])
    body = {"name": "late", "role": "admin"}
    replies = await asyncio.gather(
        *(client.ask("POST", "/tokens", body) for _ in range(6)),
        api.ask("DELETE", f"/tokens/{parent['id']}"),
        *(client.ask("POST", "/tokens", body) for _ in range(6)),
    )
    assert {reply.status for reply in replies} <= {201, 204, 401, 403}
    for reply in replies:
        if reply.status == 201:
            assert await status_of(api, reply.json) == 401


async def test_tokens_end_with_the_account_of_the_admin_who_created_them(api: ApiClient) -> None:
    pool = api.service.pool
    await add_admin(pool)
    eve = await add_admin(pool, "Eve")
    cookie = await enter(api, "Eve")
    page = await submit(api, cookie, "/tokens/new", name="hers", role="admin")
    secret = next(word for word in page.body.decode().split('"') if word.startswith("cg_"))
    hers = {"token": secret}
    child = await child_of(api, hers, "child")
    spared = await api.issue_token("viewer", name="spared")
    assert [await status_of(api, one) for one in (hers, child, spared)] == [200] * 3
    await People(pool, "").disable(MAKER, eve.id)
    assert [await status_of(api, one) for one in (hers, child, spared)] == [401, 401, 200]
    entry = (await api.audit(eve.id))[0]
    assert (entry["action"], entry["before"]["tokens"]) == ("admin.disabled", 2)
    await People(pool, "").enable(MAKER, eve.id)
    assert await status_of(api, hers) == 401
