"""Who may do what: every route of the table without a token, with a bad one, and by each role."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.api import ApiClient
from tests.support.settings import TOKEN

READERS = {"viewer", "support", "admin"}
SUPPORTERS = {"support", "admin"}
ADMINS = {"admin"}

ALONE = {"Connection": "close"}
"""A refused connection waits before its next request, so each request has its own."""


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_every_route_wants_a_token(api: ApiClient) -> None:
    for client in (api.with_token(None), api.with_token("cg_" + "x" * 43)):
        for method, path in await api.operations():
            address = path.replace("{", "").replace("}", "")
            reply = await client.ask(method, address, headers=ALONE)
            assert (reply.status, reply.code) == (401, "unauthorized"), (method, path)
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_document_and_its_page_want_none(api: ApiClient) -> None:
    for path in ("/api/openapi.json", "/api/docs", "/api/docs/docs.js", "/api/docs/docs.css"):
        reply = await api.with_token(None).ask("GET", path, root="")
        assert reply.status == 200


async def test_a_malformed_authorization_is_refused(api: ApiClient) -> None:
    for value in [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN},",
        f'Bearer "{TOKEN}"',
        "Bearer cg_\u00fc\u202e",
        "Bearer cg_" + "x" * 7000,
        "Bearer \t",
    ]:
        reply = await api.with_token(None).ask(
            "GET", "/organizations", headers={"Authorization": value, **ALONE}
        )
        assert (reply.status, reply.code) == (401, "unauthorized"), value


async def test_two_authorizations_are_none(api: ApiClient) -> None:
    headers = [("Authorization", f"Bearer {TOKEN}")] * 2
    async with api.session.get(f"{api.base_url}/api/v1/policies", headers=headers) as response:
        assert response.status == 401


async def test_the_scheme_is_read_in_any_case(api: ApiClient) -> None:
    reply = await api.with_token(None).ask(
        "GET", "/policies", headers={"Authorization": f"bEARER  {TOKEN}"}
    )
    assert reply.status == 200


async def test_a_token_is_shown_once_and_kept_as_a_hash(api: ApiClient) -> None:
    made = await api.issue_token("viewer")
    assert made["token"].startswith("cg_")
    stored = await api.service.pool.fetchrow("SELECT * FROM callgate.api_tokens")
    assert stored is not None
    assert stored["token_hash"] == hashlib.sha256(made["token"].encode()).digest()
    listed = await api.ask("GET", "/tokens")
    assert listed.json["items"] == [{key: made[key] for key in made if key != "token"}]
    for place in (listed.body, (await api.ask("GET", "/audit")).body):
        assert made["token"].encode() not in place
        assert stored["token_hash"].hex().encode() not in place


async def test_a_revoked_token_is_dead_at_once(api: ApiClient) -> None:
    made = await api.issue_token("viewer")
    viewer = api.with_token(made["token"])
    assert (await viewer.ask("GET", "/policies")).status == 200
    for _ in range(2):
        assert (await api.ask("DELETE", f"/tokens/{made['id']}")).status == 204
        assert (await viewer.ask("GET", "/policies")).status == 401
    assert [entry["action"] for entry in await api.audit(made["id"])] == [
        "token.revoked",
        "token.created",
    ]
    assert (await api.get("/tokens"))["items"][0]["revoked_at"] is not None


async def test_an_expired_token_is_dead(api: ApiClient) -> None:
    made = await api.issue_token("admin", expires_at=in_days(1))
    client = api.with_token(made["token"])
    assert (await client.ask("GET", "/policies")).status == 200
    await api.service.pool.execute("UPDATE callgate.api_tokens SET expires_at = now()")
    assert (await client.ask("GET", "/policies")).status == 401


async def test_a_token_that_would_be_dead_from_the_start_is_refused(api: ApiClient) -> None:
    body = {"name": "x", "role": "viewer", "expires_at": in_days(-1)}
    reply = await api.ask("POST", "/tokens", body)
    assert (reply.status, reply.code) == (422, "bad_period")
    reply = await api.ask("POST", "/tokens", {"name": "x", "role": "owner"})
    assert (reply.status, reply.code) == (422, "invalid_body")
    assert (await api.get("/tokens"))["items"] == []
    reply = await api.ask("DELETE", f"/tokens/{uuid4()}")
    assert (reply.status, reply.code) == (404, "token_not_found")


async def test_the_author_of_an_override_is_who_set_it(api: ApiClient) -> None:
    made = await api.organization()
    support = await api.as_role("support")
    body = {"effect": "allow", "reason": "demo", "expires_at": in_days(1)}
    reply = await support.ask("PUT", f"/organizations/{made['id']}/override", body)
    assert reply.status == 200
    author = reply.json["override"]["author"]
    entry = (await api.audit(made["id"]))[0]
    assert author == entry["actor"] == "token:a support"
    assert (entry["source"], entry["action"]) == ("api", "override.put")


NOTE_UNKNOWN = "INSERT INTO callgate.unknown_numbers (vapi_phone_number_id) VALUES ($1)"

EXAMPLES: dict[tuple[str, str], tuple[set[str], int, Any]] = {
    ("GET", "/organizations"): (READERS, 200, None),
    ("POST", "/organizations"): (ADMINS, 201, {"name": "x"}),
    ("GET", "/organizations/{organization_id}"): (READERS, 200, None),
    ("PATCH", "/organizations/{organization_id}"): (ADMINS, 200, {"name": "x"}),
    ("DELETE", "/organizations/{organization_id}"): (ADMINS, 204, None),
    ("PUT", "/organizations/{organization_id}/plan"): (
        ADMINS,
        200,
        {"code": "x", "status": "active"},
    ),
    ("DELETE", "/organizations/{organization_id}/plan"): (ADMINS, 200, None),
    ("PUT", "/organizations/{organization_id}/trial"): (
        ADMINS,
        200,
        {"ends_at": "2099-01-01T00:00:00Z"},
    ),
    ("DELETE", "/organizations/{organization_id}/trial"): (ADMINS, 200, None),
    ("PUT", "/organizations/{organization_id}/override"): (
        ADMINS,
        200,
        {"effect": "allow", "reason": "x"},
    ),
    ("DELETE", "/organizations/{organization_id}/override"): ({"support", "admin"}, 200, None),
    ("GET", "/organizations/{organization_id}/access"): (READERS, 200, None),
    ("POST", "/organizations/{organization_id}/access"): (READERS, 200, {"plan": None}),
    ("GET", "/organizations/{organization_id}/history"): (READERS, 200, None),
    ("GET", "/phone-numbers"): (READERS, 200, None),
    ("POST", "/phone-numbers"): (ADMINS, 201, {}),
    ("GET", "/phone-numbers/{phone_number_id}"): (READERS, 200, None),
    ("PATCH", "/phone-numbers/{phone_number_id}"): (ADMINS, 200, {"label": "x"}),
    ("DELETE", "/phone-numbers/{phone_number_id}"): (ADMINS, 204, None),
    ("POST", "/phone-numbers/{phone_number_id}/sync"): (ADMINS, 200, None),
    ("GET", "/phone-numbers/{phone_number_id}/route"): (READERS, 200, None),
    ("GET", "/phone-numbers/{phone_number_id}/coverage"): (READERS, 200, None),
    ("GET", "/phone-numbers/{phone_number_id}/changes"): (READERS, 200, None),
    ("PUT", "/phone-numbers/{phone_number_id}/pause"): (ADMINS, 200, {"reason": "x"}),
    ("DELETE", "/phone-numbers/{phone_number_id}/pause"): (ADMINS, 200, None),
    ("POST", "/phone-numbers/{phone_number_id}/relink"): (ADMINS, 409, None),
    ("POST", "/phone-numbers/{phone_number_id}/rollback"): (ADMINS, 404, {"change_id": 999_999}),
    ("GET", "/unknown-numbers"): (READERS, 200, None),
    ("POST", "/unknown-numbers/{vapi_phone_number_id}/claim"): (ADMINS, 201, {}),
    ("PUT", "/unknown-numbers/{vapi_phone_number_id}/ignore"): (ADMINS, 200, None),
    ("DELETE", "/unknown-numbers/{vapi_phone_number_id}/ignore"): (ADMINS, 200, None),
    ("GET", "/reconcile"): (READERS, 200, None),
    ("POST", "/reconcile"): (ADMINS, 200, {}),
    ("PUT", "/reconcile/pause"): (ADMINS, 200, {"reason": "x"}),
    ("DELETE", "/reconcile/pause"): (ADMINS, 200, None),
    ("GET", "/calls"): (READERS, 200, None),
    ("GET", "/calls/{call_id}"): (READERS, 404, None),
    ("GET", "/calls/{call_id}/events"): (READERS, 404, None),
    ("GET", "/calls/export"): (READERS, 200, None),
    ("POST", "/calls/forget"): (ADMINS, 200, {"number": "+15550100", "dry_run": True}),
    ("GET", "/phone-numbers/export"): (READERS, 200, None),
    ("GET", "/audit/export"): (READERS, 200, None),
    ("GET", "/usage"): (READERS, 200, None),
    ("GET", "/usage/export"): (READERS, 200, None),
    ("GET", "/organizations/{organization_id}/usage"): (READERS, 200, None),
    ("GET", "/organizations/{organization_id}/relay"): (READERS, 200, None),
    ("PUT", "/organizations/{organization_id}/relay/secret"): (ADMINS, 200, None),
    ("POST", "/organizations/{organization_id}/relay/resume"): (SUPPORTERS, 200, None),
    ("POST", "/organizations/{organization_id}/relay/replay"): (
        SUPPORTERS,
        200,
        {"since": "2026-01-01T00:00:00Z"},
    ),
    ("GET", "/imports"): (READERS, 200, None),
    ("POST", "/imports"): (ADMINS, 201, {"kind": "organizations", "csv": "name\nBakery\n"}),
    ("GET", "/imports/{import_id}"): (READERS, 404, None),
    ("GET", "/imports/{import_id}/rows"): (READERS, 404, None),
    ("POST", "/imports/{import_id}/apply"): (ADMINS, 404, None),
    ("POST", "/imports/{import_id}/cancel"): (ADMINS, 404, None),
    # Its entry of the audit log is looked for first.
    ("POST", "/imports/{import_id}/undo"): (READERS, 404, None),
    ("GET", "/policies"): (READERS, 200, None),
    ("GET", "/policies/{name}"): (READERS, 200, None),
    ("PUT", "/policies/{name}"): (ADMINS, 200, {"mode": "shadow"}),
    ("GET", "/policies/{name}/shadow"): (READERS, 200, None),
    ("GET", "/organizations/{organization_id}/policies/{name}"): (READERS, 200, None),
    ("PUT", "/organizations/{organization_id}/policies/{name}"): (ADMINS, 200, {"mode": "off"}),
    ("DELETE", "/organizations/{organization_id}/policies/{name}"): (ADMINS, 204, None),
    ("GET", "/audit"): (READERS, 200, None),
    ("GET", "/tokens"): (ADMINS, 200, None),
    ("POST", "/tokens"): (ADMINS, 201, {"name": "x", "role": "viewer"}),
    ("DELETE", "/tokens/{token_id}"): (ADMINS, 204, None),
}


async def test_every_route_lets_in_the_roles_that_it_should(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    assert set(EXAMPLES) == set(await api.operations())
    clients = {role: await api.as_role(role) for role in ("viewer", "support", "admin")}
    for (method, template), (roles, status, body) in EXAMPLES.items():
        for role, client in clients.items():
            organization = (await api.organization())["id"]
            sent = body
            number = unknown = ""
            if "/phone-numbers" in template:
                numbers = [vapi.add_number(provider="vapi")["id"] for _ in range(2)]
                add = {"organization_id": organization, "vapi_phone_number_id": numbers[0]}
                number = (await api.ask("POST", "/phone-numbers", add)).json["id"]
                if template == "/phone-numbers" and method == "POST":
                    sent = {**add, "vapi_phone_number_id": numbers[1]}
            if "vapi_phone_number_id" in template:
                unknown = vapi.add_number(provider="vapi")["id"]
                await api.service.pool.execute(NOTE_UNKNOWN, unknown)
                sent = {"organization_id": organization} if "claim" in template else None
            token = (await api.issue_token("viewer"))["id"] if "token_id" in template else ""
            path = template.format(
                organization_id=organization,
                phone_number_id=number,
                vapi_phone_number_id=unknown,
                token_id=token,
                name="plan",
                call_id=uuid4(),
                import_id=uuid4(),
            )
            changes = await api.service.pool.fetchval("SELECT count(*) FROM callgate.audit")
            reply = await client.ask(method, path, sent)
            if role in roles:
                assert reply.status == status, (method, template, role, reply.body)
            else:
                assert (reply.status, reply.code) == (403, "forbidden"), (method, template, role)
                left = await api.service.pool.fetchval("SELECT count(*) FROM callgate.audit")
                assert left == changes


@pytest.mark.parametrize(("days", "status"), [(6.99, 200), (7.01, 403), (None, 403), (-1, 200)])
async def test_support_sets_overrides_of_a_week_at_most(
    api: ApiClient, days: float | None, status: int
) -> None:
    made = await api.organization()
    support = await api.as_role("support")
    body = {"effect": "allow", "reason": "x"}
    if days is not None:
        body["expires_at"] = in_days(days)
    path = f"/organizations/{made['id']}/override"
    reply = await support.ask("PUT", path, body)
    assert reply.status == status
    stored = (await api.get(f"/organizations/{made['id']}"))["override"]
    assert (stored is not None) == (status == 200)
    assert (await support.ask("DELETE", path)).status == 200


async def test_support_neither_replaces_nor_removes_a_standing_override(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    await api.ask("PUT", f"{path}/override", {"effect": "deny", "reason": "fraud"})
    support = await api.as_role("support")
    short = {"effect": "allow", "reason": "x", "expires_at": in_days(1)}
    assert (await support.ask("PUT", f"{path}/override", short)).code == "forbidden"
    assert (await support.ask("DELETE", f"{path}/override")).code == "forbidden"
    assert (await api.get(path))["override"]["effect"] == "deny"
