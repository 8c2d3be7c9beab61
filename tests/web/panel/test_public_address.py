"""The public address decides about cookies, HSTS and absolute addresses; `Host` does not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from service.sandbox.server import SandboxVapi
from service.settings import SettingsError
from service.web.panel.kit.guard import COOKIE
from service.web.panel.people.sign_in import BROWSER
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, cookies_of, enter
from tests.support.oidc_provider import TestProvider
from tests.support.people import PASSWORD, add_admin
from tests.support.settings import settings_for

ADA = {"name": "Ada", "password": PASSWORD}
PUBLIC = "https://Callgate.example.net/"
HOSTS = ("127.0.0.1", "localhost", "callgate.example.net", "evil.example", "10.0.0.9:8080")


@pytest.fixture
async def public(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    settings = settings_for(tmp_path, vapi.base_url, callgate_public_url=PUBLIC)
    async with serving(settings, dsn) as client:
        await add_admin(client.service.pool)
        yield client


@pytest.fixture
async def unset(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        await add_admin(client.service.pool)
        yield client


@pytest.mark.parametrize("host", HOSTS)
async def test_the_host_header_does_not_matter(public: ApiClient, host: str) -> None:
    headers = {"Host": host, "Origin": "https://callgate.example.net", "X-Forwarded-Proto": "http"}
    own = {"Sec-Fetch-Site": "same-origin", **headers}
    reply = await ask(public, "POST", "/sign-in", ADA, headers=own)
    assert (reply.status, reply.headers["Location"]) == (303, "/admin")
    assert all(cookies_of(reply)[name]["secure"] for name in (COOKIE, BROWSER))
    assert reply.headers["Strict-Transport-Security"].startswith("max-age=")
    page = await ask(public, "GET", "/sign-in", headers=own)
    assert b"plain http" not in page.body


async def test_the_provider_sends_browsers_back_to_the_public_address(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    provider = TestProvider()
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.port = runner.addresses[0][1]
    given = {"callgate_oidc_issuer": provider.issuer, "callgate_oidc_client_id": "x"}
    settings = settings_for(tmp_path, vapi.base_url, callgate_public_url=PUBLIC, **given)
    async with serving(settings, dsn) as api:
        sent = await ask(api, "GET", "/sign-in/provider", headers={"Host": "evil.example"})
    await runner.cleanup()
    back = URL(sent.headers["Location"]).query["redirect_uri"]
    assert back == "https://callgate.example.net/admin/sign-in/provider/back"


async def test_another_origin_is_refused_whatever_host_it_names(public: ApiClient) -> None:
    async with public.session.post(
        f"{public.base_url}/admin/sign-in",
        data=ADA,
        headers={"Host": "evil.example", "Origin": "https://evil.example"},
        allow_redirects=False,
    ) as answer:
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_without_the_setting_a_panel_away_from_this_machine_is_a_condition(
    unset: ApiClient,
) -> None:
    reach = unset.service.use_cases.reach
    token = await enter(unset)
    reply = await ask(unset, "GET", "/account", cookies={COOKIE: token})
    assert (reply.status, "Strict-Transport-Security" in reply.headers) == (200, False)
    away = {"Host": "callgate.example.net"}
    assert (await ask(unset, "GET", "/sign-in", headers=away)).status == 200
    assert list(reach.read()) == []
    await ask(unset, "GET", "/account", cookies={COOKIE: token}, headers=away)
    (found,) = reach.read()
    assert found.kind == "public_url_missing"
    assert "callgate.example.net" in found.text


async def test_all_sign_ins_from_one_private_address_are_a_condition(public: ApiClient) -> None:
    watch = public.service.use_cases.conditions
    await add_admin(public.service.pool, "Eve")
    await enter(public)
    assert "sign_ins_one_address" not in {one.kind for one in await watch.read()}
    await enter(public, "Eve")
    assert "sign_ins_one_address" in {one.kind for one in await watch.read()}
    await public.service.pool.execute("UPDATE callgate.sessions SET address = '8.8.8.8'")
    assert "sign_ins_one_address" not in {one.kind for one in await watch.read()}


@pytest.mark.parametrize(
    "url", ["callgate.example.net", "http://callgate.example.net", "https://x/admin", "ftp://x"]
)
def test_an_address_that_browsers_cannot_use_safely_stops_the_start(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(SettingsError, match="CALLGATE_PUBLIC_URL must be an https address"):
        settings_for(tmp_path, "http://127.0.0.1:1", callgate_public_url=url)
    for fine in ("https://x.example", "http://localhost:8080", ""):
        settings_for(tmp_path, "http://127.0.0.1:1", callgate_public_url=fine)
