"""A sign-in provider that listens, and the sign-in through it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from service.admin.people.oidc import Oidc
from service.admin.people.oidc_provider import OidcClient, OidcProvider
from service.store.clock import get_now
from service.store.pool import Pool
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, TestProvider


@asynccontextmanager
async def listening(provider: TestProvider) -> AsyncIterator[None]:
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.port = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def provider() -> AsyncIterator[TestProvider]:
    made = TestProvider(person={"sub": "1815", "name": "Ada", "callgate_role": "admin"})
    async with listening(made):
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


@pytest.fixture
def oidc(pool: Pool, provider: TestProvider, session: aiohttp.ClientSession) -> Oidc:
    client = OidcClient(
        provider.issuer,
        CLIENT_ID,
        CLIENT_SECRET,
        "openid profile",
        "callgate_role",
        None,
        "Sign in with Acme",
    )
    return Oidc(pool, OidcProvider(session, client, partial(get_now, pool)))
