"""Tokens that are held to areas of the API, and when a token was last used."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.domain.people import SCOPES
from tests.support.api import ApiClient


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_every_area_of_the_api_can_be_a_scope(api: ApiClient) -> None:
    areas = {path.split("/")[1] for _, path in await api.operations()}
    assert areas == set(SCOPES)


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_reaches_its_areas_alone(api: ApiClient, scope: str) -> None:
    made = await api.issue_token("admin", scopes=[scope])
    assert made["scopes"] == [scope]
    client = api.with_token(made["token"])
    changes = await api.service.pool.fetchval("SELECT count(*) FROM callgate.audit")
    for method, path in await api.operations():
        place = path
        for part in path.split("/"):
            if part.startswith("{"):
                place = place.replace(part, str(uuid4()))
        reply = await client.ask(method, place)
        is_reached = path.split("/")[1] == scope
        assert (reply.status == 403) != is_reached, (method, path, reply.body)
        if not is_reached:
            assert reply.code == "forbidden"
            assert (await client.ask("HEAD", place)).status in (403, 405)
    if scope not in ("reconcile", "unknown-numbers"):
        left = await api.service.pool.fetchval("SELECT count(*) FROM callgate.audit")
        assert left == changes


async def test_scopes_are_kept_shown_and_audited(api: ApiClient) -> None:
    made = await api.issue_token("viewer", scopes=["policies", "calls", "calls"])
    assert made["scopes"] == ["calls", "policies"]
    assert (await api.get("/tokens"))["items"][0]["scopes"] == ["calls", "policies"]
    assert (await api.audit(made["id"]))[0]["after"]["scopes"] == ["calls", "policies"]
    reply = await api.ask("POST", "/tokens", {"name": "x", "role": "viewer", "scopes": ["all"]})
    assert (reply.status, reply.code) == (422, "invalid_body")


async def test_a_token_makes_none_that_reaches_further(api: ApiClient) -> None:
    held = await api.issue_token("admin", scopes=["tokens", "calls"], expires_at=in_days(2))
    client = api.with_token(held["token"])
    body = {"name": "x", "role": "admin", "expires_at": in_days(1)}
    for scopes in ([], ["organizations"], ["calls", "organizations"]):
        reply = await client.ask("POST", "/tokens", {**body, "scopes": scopes})
        assert (reply.status, reply.code) == (403, "forbidden")
    for expires_at in (None, in_days(3)):
        late = {**body, "scopes": ["calls"], "expires_at": expires_at}
        assert (await client.ask("POST", "/tokens", late)).status == 403
    reply = await client.ask("POST", "/tokens", {**body, "scopes": ["calls"]})
    assert (reply.status, reply.json["scopes"]) == (201, ["calls"])


async def test_a_token_that_is_used_says_when(api: ApiClient) -> None:
    made = await api.issue_token("viewer")
    assert made["last_used_at"] is None
    client = api.with_token(made["token"])
    await client.get("/policies")
    first = (await api.get("/tokens"))["items"][0]["last_used_at"]
    await client.get("/policies")
    assert (await api.get("/tokens"))["items"][0]["last_used_at"] == first is not None
    await api.service.pool.execute(
        "UPDATE callgate.api_tokens SET last_used_at = last_used_at - interval '61 seconds'"
    )
    await client.get("/policies")
    assert (await api.get("/tokens"))["items"][0]["last_used_at"] >= first
