"""Admins, one's own account and API tokens in the panel, over real HTTP."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.domain.people import Admin, Role
from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from service.web.panel.people.account import browser_of
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, enter, see, submit
from tests.support.people import MAKER, PASSWORD, add_admin
from tests.support.settings import settings_for

OTHER = "another good password"


@pytest.fixture
async def api(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    """The service with one admin, Ada."""
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        await add_admin(client.service.pool)
        yield client


async def find(api: ApiClient, name: str) -> Admin:
    return await People(api.service.pool, "").find_named(MAKER, name)


async def test_somebody_is_added_and_signs_in(api: ApiClient) -> None:
    ada = await enter(api)
    fields = {"name": "Grace", "role": "support", "password": OTHER, "again": OTHER}
    for change, words in (
        ({"again": "x"}, "The passwords do not match."),
        ({"password": "short", "again": "short"}, "12 to 256 characters"),
        ({"role": "owner"}, "viewer"),
        ({"name": "  "}, "1 to 100 characters"),
        ({"name": "ADA"}, "An admin with this name exists already."),
    ):
        reply = await submit(api, ada, "/people/new", **{**fields, **change})
        assert reply.status in (409, 422)
        assert words in reply.body.decode()
        assert OTHER not in reply.body.decode()
    made = await submit(api, ada, "/people/new", **fields)
    grace = await find(api, "grace")
    assert (made.status, made.headers["Location"]) == (303, f"/admin/people/{grace.id}")
    assert "Grace may sign in." in await see(api, ada, f"/people/{grace.id}")
    assert "Grace may sign in." not in await see(api, ada, f"/people/{grace.id}")
    assert (grace.role, grace.created_by) == ("support", "Ada")
    assert await enter(api, "Grace", OTHER)
    listed = await see(api, ada, "/people")
    assert listed.index("Ada") < listed.index("Grace")


async def test_role_password_and_being_disabled(api: ApiClient) -> None:
    ada = await enter(api)
    grace = await add_admin(api.service.pool, "Grace", "viewer")
    hers = await enter(api, "Grace")
    base = f"/people/{grace.id}"
    assert (await submit(api, ada, f"{base}/role", role="support")).status == 303
    assert "support" in await see(api, hers, "/account")
    assert (await submit(api, ada, f"{base}/password", password=OTHER, again="x")).status == 422
    assert (await submit(api, ada, f"{base}/password", password=OTHER, again=OTHER)).status == 303
    assert (await ask(api, "GET", "/account", cookies={COOKIE: hers})).status == 303
    hers = await enter(api, "Grace", OTHER)
    assert (await submit(api, ada, f"{base}/disable", typed="Gra")).status == 422
    assert (await find(api, "Grace")).disabled_at is None
    assert (await submit(api, ada, f"{base}/disable", typed="Grace")).status == 303
    assert (await ask(api, "GET", "/account", cookies={COOKIE: hers})).status == 303
    assert "Disabled" in await see(api, ada, base)
    assert (await submit(api, ada, f"{base}/enable")).status == 303
    assert await enter(api, "Grace", OTHER)


async def test_the_last_admin_stays(api: ApiClient) -> None:
    ada = await enter(api)
    own = (await find(api, "Ada")).id
    for path, fields in (("role", {"role": "viewer"}), ("disable", {"typed": "Ada"})):
        reply = await submit(api, ada, f"/people/{own}/{path}", **fields)
        assert (reply.status, "last admin" in reply.body.decode()) == (409, True)
    assert (await find(api, "Ada")).role == "admin"
    await add_admin(api.service.pool, "Grace")
    reply = await submit(api, ada, f"/people/{own}/role", role="viewer")
    assert (reply.status, reply.headers["Location"]) == (303, "/admin")


async def test_an_admin_ends_the_sessions_of_others(api: ApiClient) -> None:
    ada = await enter(api)
    grace = await add_admin(api.service.pool, "Grace", "viewer")
    tokens = [await enter(api, "Grace") for _ in range(3)]
    sessions = Sessions(api.service.pool)
    first = (await sessions.list_of(MAKER, grace.id))[0]
    base = f"/people/{grace.id}/sessions"
    assert (await submit(api, ada, f"{base}/{first.id}/revoke")).status == 303
    assert len([token for token in tokens if await sessions.find(token)]) == 2
    assert (await submit(api, ada, f"{base}/{first.id}/revoke")).status == 404
    assert (await submit(api, ada, f"{base}/revoke")).status == 303
    assert not [token for token in tokens if await sessions.find(token)]
    assert await sessions.find(ada) is not None


@pytest.mark.parametrize("role", ["viewer", "support"])
async def test_who_is_no_admin_changes_nobody_by_hand_made_requests(
    api: ApiClient, role: Role
) -> None:
    pool = api.service.pool
    vic = await add_admin(pool, "Vic", role)
    ada = await find(api, "Ada")
    hers = await enter(api)
    secret = (await api.issue_token("viewer"))["id"]
    his = await enter(api, "Vic")
    (session,) = await Sessions(pool).list_of(MAKER, ada.id)
    changes = await pool.fetchval("SELECT count(*) FROM callgate.audit")
    everything = {
        "name": "Eve",
        "role": "admin",
        "password": OTHER,
        "again": OTHER,
        "typed": "Ada",
    }
    for path in (
        "/people/new",
        *(f"/people/{one.id}/{what}" for one in (ada, vic) for what in ("role", "disable")),
        f"/people/{ada.id}/password",
        f"/people/{ada.id}/enable",
        f"/people/{ada.id}/sessions/revoke",
        f"/people/{ada.id}/sessions/{session.id}/revoke",
        f"/people/{vic.id}/sessions/{session.id}/revoke",
        "/tokens/new",
        f"/tokens/{secret}/revoke",
    ):
        reply = await submit(api, his, path, **everything)
        assert (reply.status, b"forbidden" in reply.body) == (403, True), path
    for path in ("/people", "/people/new", f"/people/{ada.id}", "/tokens", "/tokens/new"):
        reply = await ask(api, "GET", path, cookies={COOKIE: his})
        assert reply.status == 403, path
    reply = await submit(api, his, f"/account/sessions/{session.id}/revoke")
    assert reply.status == 404
    assert await pool.fetchval("SELECT count(*) FROM callgate.audit") == changes
    assert await Sessions(pool).find(hers) is not None
    # What is not theirs is not offered to them either.
    page = await see(api, his, "/account")
    assert "/admin/people" not in page
    assert "/admin/tokens" not in page


async def test_ones_own_account(api: ApiClient) -> None:
    await add_admin(api.service.pool, "Vic", "viewer")
    here, there, third = [await enter(api, "Vic") for _ in range(3)]
    page = await see(api, here, "/account")
    assert page.count("This session") == 1
    assert len(re.findall(r"/admin/account/sessions/[0-9a-f-]{36}/revoke", page)) == 2
    sessions = Sessions(api.service.pool)
    other = await sessions.find(there)
    assert other is not None
    assert (await submit(api, here, f"/account/sessions/{other.id}/revoke")).status == 303
    assert await sessions.find(there) is None
    fields = {"current": "wrong", "password": OTHER, "again": OTHER}
    reply = await submit(api, here, "/account/password", **fields)
    assert (reply.status, "current password is wrong" in reply.body.decode()) == (422, True)
    reply = await submit(api, here, "/account/password", **{**fields, "current": PASSWORD})
    assert reply.status == 303
    assert await sessions.find(third) is None
    assert "Your password is changed" in await see(api, here, "/account")
    fourth = await enter(api, "Vic", OTHER)
    assert (await submit(api, here, "/account/sessions/revoke")).status == 303
    assert await sessions.find(fourth) is None
    for _ in range(5):
        await submit(api, here, "/account/password", **fields)
    assert (await submit(api, here, "/account/password", **fields)).status == 429


async def test_a_token_is_shown_once_and_works(api: ApiClient) -> None:
    ada = await enter(api)
    assert "No tokens yet" in await see(api, ada, "/tokens")
    fields = {"name": "billing", "role": "viewer", "scopes": "policies"}
    for change, words in (
        ({"name": ""}, "This field is required."),
        ({"expires_at": "2020-01-01T00:00"}, "expire in the future"),
        ({"scopes": "everything"}, "policies"),
    ):
        reply = await submit(api, ada, "/tokens/new", **{**fields, **change})
        assert (reply.status, words in reply.body.decode()) == (422, True)
    reply = await submit(api, ada, "/tokens/new", **fields, expires_at="2099-01-01T12:00")
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    shown = re.search(r'id="secret"[^>]* value="(cg_[^"]+)"', reply.body.decode())
    assert shown is not None
    client = api.with_token(shown[1])
    assert (await client.ask("GET", "/policies")).status == 200
    assert (await client.ask("GET", "/calls")).status == 403
    (made,) = (await api.get("/tokens"))["items"]
    assert (made["created_by"], made["expires_at"]) == ("Ada", "2099-01-01T12:00:00Z")
    base = f"/tokens/{made['id']}"
    for path in ("/tokens", base):
        page = await see(api, ada, path)
        assert "billing" in page
        assert shown[1] not in page
    assert (await submit(api, ada, f"{base}/revoke", typed="bill")).status == 422
    assert (await client.ask("GET", "/policies")).status == 200
    assert (await submit(api, ada, f"{base}/revoke", typed="billing")).status == 303
    assert (await client.ask("GET", "/policies")).status == 401
    assert "Revoked" in await see(api, ada, "/tokens")


async def test_what_is_not_there_is_a_page_too(api: ApiClient) -> None:
    ada = await enter(api)
    for path in ("/people/x", "/tokens/x", f"/people/{'0' * 8}-0000-0000-0000-{'0' * 12}"):
        assert (await ask(api, "GET", path, cookies={COOKIE: ada})).status == 404


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Safari/604", "Safari on iPhone"),
        ("curl/8.5", "curl"),
        ("something else", "something else"),
        ("", "Unknown"),
    ],
)
def test_what_people_call_a_browser(user_agent: str, name: str) -> None:
    assert browser_of(user_agent) == name
