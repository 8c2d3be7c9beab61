"""Sessions through the sign-in provider: asked about again, ended when it says so, and only then."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from service.web.panel.people.sign_in import BINDING
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, cookies_of
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, TestProvider
from tests.support.people import add_admin
from tests.support.settings import settings_for


@pytest.fixture
async def provider() -> AsyncIterator[TestProvider]:
    made = TestProvider(person={"sub": "1815", "name": "Ada", "callgate_role": "admin"})
    runner = web.AppRunner(made.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def api(
    dsn: str, vapi: SandboxVapi, tmp_path: Path, provider: TestProvider
) -> AsyncIterator[ApiClient]:
    given: dict[str, Any] = {
        "callgate_oidc_issuer": provider.issuer,
        "callgate_oidc_client_id": CLIENT_ID,
        "callgate_oidc_client_secret": CLIENT_SECRET,
    }
    async with serving(settings_for(tmp_path, vapi.base_url, **given), dsn) as client:
        await add_admin(client.service.pool, "Root")
        yield client


async def enter(api: ApiClient) -> str:
    """Sign in through the provider; returns the session's cookie."""
    sent = await ask(api, "GET", "/sign-in/provider")
    binding = cookies_of(sent)[BINDING].value
    back = await ask(api, "GET", sent.headers["Location"])
    done = await ask(api, "GET", back.headers["Location"], cookies={BINDING: binding})
    assert done.status == 303, done.body
    return cookies_of(done)[COOKIE].value


async def status(api: ApiClient, cookie: str, path: str = "/account") -> int:
    return (await ask(api, "GET", path, cookies={COOKIE: cookie})).status


async def age(api: ApiClient, **times: float) -> None:
    """Let the last answer of the provider be older."""
    await api.service.pool.execute(
        "UPDATE callgate.oidc_sessions SET confirmed_at = confirmed_at - $1::interval, "
        "asked_at = asked_at - $1::interval",
        timedelta(**times),
    )


async def test_a_session_goes_on_while_the_provider_says_so(
    api: ApiClient, provider: TestProvider
) -> None:
    cookie = await enter(api)
    asked = provider.asked.count("token")
    assert await status(api, cookie) == 200
    assert provider.asked.count("token") == asked
    for _ in range(3):
        await age(api, minutes=50)
        # The refresh token works once: of requests at the same time one asks.
        assert set(await asyncio.gather(*(status(api, cookie) for _ in range(5)))) == {200}
    assert provider.asked.count("token") == asked + 3


async def test_a_session_ends_within_an_hour_of_the_persons_end(
    api: ApiClient, provider: TestProvider
) -> None:
    cookie, other = await enter(api), await enter(api)
    provider.grants.clear()
    assert await status(api, cookie) == 200
    await age(api, minutes=50)
    assert await status(api, cookie) == 303
    assert await status(api, other) == 303
    entries = await api.get("/audit?action=session.revoked")
    assert [entry["actor"] for entry in entries["items"]] == ["sign-in provider"] * 2
    assert await api.service.pool.fetchval("SELECT count(*) FROM callgate.oidc_sessions") == 0


async def test_a_provider_that_is_away_ends_no_session_at_once(
    api: ApiClient, provider: TestProvider
) -> None:
    cookie = await enter(api)
    provider.down = True
    for _ in range(3):
        await age(api, hours=3)
        assert await status(api, cookie) == 200
    provider.down = False
    await age(api, minutes=2)
    assert await status(api, cookie) == 200
    provider.down = True
    await age(api, hours=13)
    assert await status(api, cookie) == 303


async def test_the_role_follows_the_provider(api: ApiClient, provider: TestProvider) -> None:
    cookie = await enter(api)
    assert await status(api, cookie, "/tokens") == 200
    provider.person = {**provider.person, "callgate_role": "viewer"}
    await age(api, minutes=50)
    await status(api, cookie)
    assert await status(api, cookie, "/tokens") == 403
    other = await enter(api)
    provider.person = {**provider.person, "callgate_role": None}
    await age(api, minutes=50)
    assert await status(api, cookie) == 303
    assert await status(api, other) == 303


async def test_the_request_that_learns_of_another_role_is_answered_by_it(
    api: ApiClient, provider: TestProvider
) -> None:
    cookie = await enter(api)
    assert await status(api, cookie, "/tokens") == 200
    provider.person = {**provider.person, "callgate_role": "viewer"}
    await age(api, minutes=50)
    assert await status(api, cookie, "/tokens") == 403


@pytest.mark.parametrize("change", [{"sub": "another"}, {"aud": "another"}, {"exp": 1}])
async def test_an_answer_about_another_person_ends_the_session(
    api: ApiClient, provider: TestProvider, change: dict[str, object]
) -> None:
    cookie = await enter(api)
    provider.change = change
    await age(api, minutes=50)
    assert await status(api, cookie) == 303


async def test_without_a_refresh_token_there_is_nothing_to_ask(
    api: ApiClient, provider: TestProvider
) -> None:
    provider.refreshes = False
    cookie = await enter(api)
    await age(api, hours=13)
    assert await status(api, cookie) == 200


async def test_the_database_alone_opens_no_refresh_token(
    api: ApiClient, provider: TestProvider
) -> None:
    cookie = await enter(api)
    row = await api.service.pool.fetchrow("SELECT * FROM callgate.oidc_sessions")
    assert row is not None
    (token,) = provider.grants
    assert token.encode() not in row["refresh_token"]
    assert re.fullmatch(rb"[\w.-]+", row["refresh_token"])
    # Another session's cookie does not open it either: the session ends.
    await api.service.pool.execute(
        "UPDATE callgate.oidc_sessions SET refresh_token = $1", row["refresh_token"][:-4] + b"AAAA"
    )
    await age(api, minutes=50)
    assert await status(api, cookie) == 303


async def test_the_role_of_userinfo_is_followed_and_its_outage_ends_no_session(
    api: ApiClient, provider: TestProvider
) -> None:
    del provider.person["callgate_role"]
    provider.userinfo = {"sub": "1815", "callgate_role": "admin"}
    cookie = await enter(api)
    assert await status(api, cookie, "/tokens") == 200
    provider.userinfo_down = True
    await age(api, minutes=50)
    await status(api, cookie)
    assert await status(api, cookie, "/tokens") == 200
    provider.userinfo_down = False
    provider.userinfo["callgate_role"] = "viewer"
    await age(api, minutes=50)
    await status(api, cookie)
    assert await status(api, cookie, "/tokens") == 403
    assert provider.asked.count("userinfo") == 3
