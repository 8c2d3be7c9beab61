"""Signing in to the panel over real HTTP: cookies, forgeries, guesses, the first admin, the provider."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from service.web.panel.kit.visit import csrf_of
from service.web.panel.people.sign_in import BINDING, BROWSER, way_on
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, cookies_of, enter, submit
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, TestProvider
from tests.support.people import MAKER, PASSWORD, add_admin
from tests.support.settings import TOKEN, settings_for

ADA = {"name": "ada", "password": PASSWORD}
EVE = {"name": "Eve", "role": "admin", "password": PASSWORD, "again": PASSWORD}


@pytest.fixture
async def api(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    """The service, and a client that keeps no cookies."""
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        yield client


async def signed_in(api: ApiClient, token: str) -> bool:
    """Whether a cookie opens a page."""
    return (await ask(api, "GET", "/account", cookies={COOKIE: token})).status == 200


async def test_the_cookie_is_for_our_pages_alone(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    reply = await ask(api, "POST", "/sign-in", {**ADA, "next": "/admin/tokens"})
    assert (reply.status, reply.headers["Location"]) == (303, "/admin/tokens")
    assert set(cookies_of(reply)) == {COOKIE, BROWSER}
    cookie = cookies_of(reply)[COOKIE]
    assert cookie["path"] == "/admin"
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie["max-age"] == str(14 * 24 * 3600)
    assert not cookie["domain"]
    assert len(cookie.value) >= 43
    assert not cookie["secure"], "on this very machine there is no https"
    away = {"Host": "callgate.example"}
    reply = await ask(api, "POST", "/sign-in", ADA, headers=away)
    assert cookies_of(reply)[COOKIE]["secure"]
    assert b"plain http" in (await ask(api, "GET", "/sign-in", headers=away)).body
    proxied = {**away, "X-Forwarded-Proto": "https"}
    assert b"plain http" not in (await ask(api, "GET", "/sign-in", headers=proxied)).body


async def test_pages_want_a_sign_in_and_lead_back(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    for path in ("/people", "/people/new", "/account", "/tokens", "/tokens?after=x"):
        for token in ("", "x", "x" * 43):
            reply = await ask(api, "GET", path, cookies={COOKIE: token})
            assert reply.status == 303
            assert reply.headers["Location"].startswith("/admin/sign-in?next=%2Fadmin%2F")
    for path in ("/people/new", "/tokens/new", "/account/password", "/sign-out"):
        reply = await ask(api, "POST", path, {"name": "x"})
        assert (reply.status, reply.headers["Location"]) == (303, "/admin/sign-in")


async def test_a_wrong_password_is_said_without_telling_more(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    texts = set()
    for name, password in (("Ada", "wrong password"), ("Nobody", PASSWORD)):
        reply = await ask(api, "POST", "/sign-in", {"name": name, "password": password})
        assert reply.status == 403
        assert password.encode() not in reply.body
        assert "Set-Cookie" not in reply.headers
        texts.add(reply.body.replace(name.encode(), b""))
    assert len(texts) == 1
    assert b"The name or the password is wrong." in texts.pop()


async def test_who_guesses_is_told_how_long_to_wait(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    for _ in range(5):
        reply = await ask(api, "POST", "/sign-in", {**ADA, "password": "wrong password"})
        assert reply.status == 403
    reply = await ask(api, "POST", "/sign-in", ADA)
    assert reply.status == 429
    wait = int(reply.headers["Retry-After"])
    assert 25 <= wait <= 30
    assert f"Try again in {wait} seconds".encode() in reply.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    ],
    ids=str,
)
async def test_another_site_cannot_sign_anybody_in_or_do_anything(
    api: ApiClient, headers: dict[str, str]
) -> None:
    await add_admin(api.service.pool)
    token = await enter(api)
    reply = await ask(api, "POST", "/sign-in", ADA, headers=headers)
    assert (reply.status, "Set-Cookie" in reply.headers) == (403, False)
    for path in ("/people/new", "/tokens/new", "/sign-out"):
        fields = {**EVE, "csrf": csrf_of(token)}
        reply = await ask(api, "POST", path, fields, cookies={COOKIE: token}, headers=headers)
        assert reply.status == 403
    assert await signed_in(api, token)
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.admins") == 1
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.api_tokens") == 0


async def test_a_form_without_its_sessions_mark_is_refused(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    token, other = await enter(api), await enter(api)
    for csrf in ({}, {"csrf": ""}, {"csrf": "x" * 64}, {"csrf": csrf_of(other)}, {"csrf": token}):
        given = {**EVE, **csrf}
        reply = await ask(api, "POST", "/people/new", given, cookies={COOKIE: token})
        assert reply.status == 403
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.admins") == 1
    given = {**EVE, "csrf": csrf_of(token)}
    reply = await ask(api, "POST", "/people/new", given, cookies={COOKIE: token})
    assert reply.status == 303


async def test_a_session_that_somebody_planted_never_becomes_theirs(api: ApiClient) -> None:
    pool = api.service.pool
    await add_admin(pool)
    await add_admin(pool, "Mallory", "viewer")
    planted = await enter(api, "Mallory")
    fields = {**ADA, "csrf": csrf_of(planted)}
    reply = await ask(api, "POST", "/sign-in", fields, cookies={COOKIE: planted})
    fresh = cookies_of(reply)[COOKIE].value
    assert fresh != planted
    assert not await signed_in(api, planted)
    session = await Sessions(pool).find(fresh)
    assert session is not None
    assert session.name == "Ada"


async def test_signing_out_ends_the_session_for_good(api: ApiClient) -> None:
    await add_admin(api.service.pool)
    token, other = await enter(api), await enter(api)
    reply = await submit(api, token, "/sign-out")
    assert (reply.status, reply.headers["Location"]) == (303, "/admin/sign-in")
    assert cookies_of(reply)[COOKIE]["max-age"] == "0"
    assert not await signed_in(api, token)
    assert await signed_in(api, other)
    assert (await ask(api, "GET", "/sign-out", cookies={COOKIE: other})).status in (404, 405)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("/admin/calls?x=1", "/admin/calls?x=1"),
        ("/admin", "/admin"),
        ("", "/admin"),
        ("https://evil.example/admin", "/admin"),
        ("//evil.example", "/admin"),
        ("/administer", "/admin"),
        ("/admin/../x\\y", "/admin"),
        ("/admin/\r\nSet-Cookie: x", "/admin"),
        ("/admin/sign-in?next=/admin", "/admin"),
        ("javascript:alert(1)", "/admin"),
    ],
)
def test_the_way_on_stays_in_the_panel(asked: str, found: str) -> None:
    assert way_on(asked) == found


async def test_the_first_admin_is_made_once(api: ApiClient) -> None:
    reply = await ask(api, "GET", "/sign-in")
    assert (reply.status, reply.headers["Location"]) == (303, "/admin/setup")
    assert (await ask(api, "GET", "/setup?code=abc%22")).status == 200
    fields = {"name": "Ada", "password": PASSWORD, "again": PASSWORD, "code": TOKEN}
    for change, status, words in (
        ({"again": "another"}, 422, "do not match"),
        ({"code": "guess"}, 403, "code is wrong"),
        ({"password": "short", "again": "short"}, 422, "12 to 256"),
        ({"name": "token:x"}, 422, "Choose another"),
    ):
        reply = await ask(api, "POST", "/setup", {**fields, **change})
        assert (reply.status, words.encode() in reply.body) == (status, True)
        assert PASSWORD.encode() not in reply.body
    reply = await ask(api, "POST", "/setup", fields)
    assert (reply.status, reply.headers["Location"]) == (303, "/admin")
    assert await signed_in(api, cookies_of(reply)[COOKIE].value)
    assert (await ask(api, "POST", "/setup", {**fields, "name": "Eve"})).status == 409
    reply = await ask(api, "GET", "/setup")
    assert (reply.status, reply.headers["Location"]) == (303, "/admin/sign-in")


@pytest.fixture
async def provider() -> AsyncIterator[TestProvider]:
    made = TestProvider(person={"sub": "1815", "name": "Ada", "callgate_role": "admin"})
    runner = web.AppRunner(made.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def test_the_whole_way_through_the_provider(
    dsn: str, vapi: SandboxVapi, tmp_path: Path, provider: TestProvider
) -> None:
    given: dict[str, Any] = {
        "callgate_oidc_issuer": provider.issuer,
        "callgate_oidc_client_id": CLIENT_ID,
        "callgate_oidc_client_secret": CLIENT_SECRET,
        "callgate_oidc_name": "Sign in with Acme",
    }
    async with serving(settings_for(tmp_path, vapi.base_url, **given), dsn) as api:
        page = await ask(api, "GET", "/sign-in?next=/admin/account")
        assert (page.status, b"Sign in with Acme" in page.body) == (200, True)
        link = re.search(rb'href="/admin(/sign-in/provider[^"]*)"', page.body)
        assert link is not None
        sent = await ask(api, "GET", link[1].decode())
        binding = cookies_of(sent)[BINDING]
        assert (sent.status, binding["httponly"], binding["samesite"]) == (303, True, "Lax")
        back = await ask(api, "GET", sent.headers["Location"])
        place = back.headers["Location"]
        assert place.startswith(f"{api.base_url}/admin/sign-in/provider/back?")
        # The way back is one from another site, and only in this browser.
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert (await ask(api, "GET", place, headers=cross)).status == 403
        cookies = {BINDING: binding.value}
        done = await ask(api, "GET", place, headers=cross, cookies=cookies)
        assert (done.status, done.headers["Location"]) == (303, "/admin/account")
        assert await signed_in(api, cookies_of(done)[COOKIE].value)
        again = await ask(api, "GET", place, headers=cross, cookies=cookies)
        assert (again.status, COOKIE in cookies_of(again)) == (403, False)
        (ada,) = await People(api.service.pool, "").list_page(MAKER, after=None, limit=5)
        assert (ada.name, ada.role, ada.subject) == ("Ada", "admin", f"{provider.issuer}|1815")
        provider.down = True
    async with serving(settings_for(tmp_path, vapi.base_url, **given), dsn) as api:
        reply = await ask(api, "GET", "/sign-in/provider")
        assert (reply.status, b"does not answer as expected" in reply.body) == (503, True)
        assert b"<h1>Sign in</h1>" in reply.body


async def test_without_a_provider_there_is_no_way_through_one(api: ApiClient) -> None:
    for path in ("/sign-in/provider", "/sign-in/provider/back?state=x&code=y"):
        assert (await ask(api, "GET", path)).status == 404


async def test_behind_a_proxy_the_address_is_that_of_the_browser(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"callgate_trusted_proxies": ("127.0.0.1",)}
    async with serving(settings_for(tmp_path, vapi.base_url, **given), dsn) as api:
        await add_admin(api.service.pool)
        headers = {"X-Forwarded-For": "203.0.113.1, 192.0.2.9"}
        reply = await ask(api, "POST", "/sign-in", ADA, headers=headers)
        session = await Sessions(api.service.pool).find(cookies_of(reply)[COOKIE].value)
        assert session is not None
        assert session.address == "192.0.2.9"
