"""Signing in through a provider: the whole way over real HTTP, and every answer that is a lie."""

import time
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from service.admin.people.oidc import Begun, Finished, Oidc
from service.admin.people.oidc_provider import OidcClient, OidcProvider
from service.admin.people.oidc_roles import role_of
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.domain.errors import ConflictError, UnavailableError
from service.domain.people import SignInRefusedError
from service.store.audit import list_audit
from service.store.clock import get_now
from service.store.pool import Pool
from tests.support.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    TestProvider,
    new_key,
    sign_with,
    unsigned,
)
from tests.support.people import CLIENT, MAKER, add_admin

BACK = "http://127.0.0.1:1/admin/sign-in/provider/back"


async def go_through(session: aiohttp.ClientSession, begun: Begun) -> dict[str, str]:
    """What the browser brings back from the provider."""
    async with session.get(begun.address, allow_redirects=False) as response:
        assert response.status == 302
        place = response.headers["Location"]
    assert place.startswith(BACK + "?")
    return dict(parse_qsl(urlsplit(place).query))


async def finish(oidc: Oidc, brought: dict[str, str], binding: str) -> Finished:
    return await oidc.finish(
        state=brought["state"],
        code=brought["code"],
        binding=binding,
        redirect_uri=BACK,
        client=CLIENT,
    )


async def sign_in(oidc: Oidc, session: aiohttp.ClientSession) -> str:
    """The whole way; returns the new session's token."""
    begun = await oidc.begin(redirect_uri=BACK, return_to="/admin/calls")
    brought = await go_through(session, begun)
    finished = await finish(oidc, brought, begun.binding)
    assert finished.return_to == "/admin/calls"
    return finished.token


async def who(pool: Pool, token: str) -> tuple[str, str]:
    found = await Sessions(pool).find(token)
    assert found is not None
    return found.name, found.role


async def test_the_role_follows_the_claim_at_every_sign_in(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    await add_admin(pool, "Root")
    first = await sign_in(oidc, session)
    assert await who(pool, first) == ("Ada", "admin")
    provider.person |= {"callgate_role": ["other", "viewer"], "name": "Countess"}
    second = await sign_in(oidc, session)
    assert await who(pool, second) == ("Ada", "viewer")
    assert await who(pool, first) == ("Ada", "viewer")
    people = await People(pool, "").list_page(MAKER, after=None, limit=10)
    assert [(one.name, one.has_password, one.subject) for one in people] == [
        ("Ada", False, f"{provider.issuer}|1815"),
        ("Root", True, None),
    ]
    done = [(entry.actor, entry.action) for entry in await list_audit(pool, limit=10)]
    assert ("sign-in provider", "admin.created") in done
    assert ("sign-in provider", "admin.role_changed") in done
    # Without a role the session ends.
    del provider.person["callgate_role"]
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)
    assert await Sessions(pool).find(second) is None
    assert provider.asked.count("discovery") == provider.asked.count("keys") == 1


async def test_nobody_is_matched_by_name_or_address(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    ada = await add_admin(pool, "Ada")
    provider.person |= {"callgate_role": "viewer", "email": "Ada"}
    assert await who(pool, await sign_in(oidc, session)) == ("Ada (2)", "viewer")
    assert (await People(pool, "").get(MAKER, ada.id)).subject is None


async def test_who_is_disabled_here_stays_out(
    pool: Pool, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    await add_admin(pool, "Root")
    await sign_in(oidc, session)
    people = People(pool, "")
    await people.disable(MAKER, (await people.find_named(MAKER, "Ada")).id)
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)


async def test_the_provider_cannot_take_the_last_admin_away(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, session)
    provider.person["callgate_role"] = "viewer"
    with pytest.raises(ConflictError) as caught:
        await sign_in(oidc, session)
    assert caught.value.code == "last_admin"


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "and-another"]},
        {"aud": [CLIENT_ID, "another-client"]},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"iss": "http://127.0.0.1:1/realm"},
        pytest.param({"exp": int(time.time()) - 120}, id="expired"),
        {"exp": None},
        {"exp": float("nan")},
        pytest.param({"iat": int(time.time()) + 3600}, id="issued later"),
        pytest.param({"nbf": int(time.time()) + 3600}, id="valid later"),
        {"sub": ""},
        {"sub": 1815},
        {"sub": None},
    ],
    ids=lambda change: next(iter(change)),  # no instants: each worker has its own
)
async def test_an_id_token_that_is_not_meant_for_this_is_refused(
    pool: Pool,
    provider: TestProvider,
    oidc: Oidc,
    session: aiohttp.ClientSession,
    change: dict[str, Any],
) -> None:
    provider.change = change
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)
    assert await pool.fetchval("SELECT count(*) FROM callgate.admins") == 0


async def test_an_id_token_that_the_provider_did_not_sign_is_refused(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    def with_client_secret(claims: dict[str, Any]) -> str:
        key = OctKey.import_key(CLIENT_SECRET)
        return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])

    thief = new_key("first")
    for sign in (
        unsigned,
        lambda claims: sign_with(thief, claims),
        with_client_secret,
        lambda claims: "no token",
        lambda claims: sign_with(provider.key, claims)[:-4] + "AAAA",
    ):
        provider.sign = sign
        with pytest.raises(SignInRefusedError):
            await sign_in(oidc, session)
    assert await pool.fetchval("SELECT count(*) FROM callgate.admins") == 0


async def test_new_keys_are_looked_for_once(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    await sign_in(oidc, session)
    provider.key = new_key("second")
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "admin")
    assert provider.asked.count("keys") == 2
    stranger = new_key("unknown")
    provider.sign = lambda claims: sign_with(stranger, claims)
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)
    assert provider.asked.count("keys") == 3


async def test_an_answer_counts_once_and_in_the_browser_that_asked(
    pool: Pool, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    begun = await oidc.begin(redirect_uri=BACK, return_to="/admin")
    brought = await go_through(session, begun)
    other = await oidc.begin(redirect_uri=BACK, return_to="/admin")
    for binding in ("", "x", other.binding):
        with pytest.raises(SignInRefusedError):
            await finish(oidc, brought, binding)
    for code in ("", "another"):
        fresh = await oidc.begin(redirect_uri=BACK, return_to="/admin")
        state = (await go_through(session, fresh))["state"]
        with pytest.raises(SignInRefusedError):
            await finish(oidc, {"state": state, "code": code}, fresh.binding)
    assert (await finish(oidc, brought, begun.binding)).return_to == "/admin"
    with pytest.raises(SignInRefusedError):
        await finish(oidc, brought, begun.binding)
    late = await oidc.begin(redirect_uri=BACK, return_to="/admin")
    brought = await go_through(session, late)
    await pool.execute(
        "UPDATE callgate.oidc_sign_ins SET created_at = now() - interval '11 minutes'"
    )
    with pytest.raises(SignInRefusedError):
        await finish(oidc, brought, late.binding)


async def test_a_provider_that_is_down_is_said_to_be(
    pool: Pool, provider: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    provider.down = True
    with pytest.raises(UnavailableError):
        await oidc.begin(redirect_uri=BACK, return_to="/admin")
    provider.down = False
    begun = await oidc.begin(redirect_uri=BACK, return_to="/admin")
    brought = await go_through(session, begun)
    provider.down = True
    with pytest.raises(UnavailableError):
        await finish(oidc, brought, begun.binding)
    provider.down, provider.secret = False, "another"
    with pytest.raises(SignInRefusedError):
        await sign_in(oidc, session)


async def test_a_provider_that_says_it_is_another_is_not_asked(
    pool: Pool, provider: TestProvider, session: aiohttp.ClientSession
) -> None:
    client = OidcClient(provider.issuer + "/", CLIENT_ID, "", "openid", "role", None, "x")
    with capture_logs() as logged, pytest.raises(UnavailableError):
        await Oidc(pool, OidcProvider(session, client, partial(get_now, pool))).begin(
            redirect_uri=BACK, return_to="/"
        )
    assert "write CALLGATE_OIDC_ISSUER without the slash at its end" in logged[0]["reason"]


@pytest.mark.parametrize(
    ("claims", "claim", "role"),
    [
        ({"r": "support"}, "r", "support"),
        ({"r": ["viewer", "admin", 7]}, "r", "admin"),
        ({"r": "owner"}, "r", None),
        ({"r": {"x": ["viewer"]}}, "r.x", "viewer"),
        ({"https://acme.example/roles": "admin"}, "https://acme.example/roles", "admin"),
        ({"r": "admin"}, "r.x", None),
        ({"r": {"our.client": {"roles": ["support"]}}}, "r.our.client.roles", "support"),
        ({"r": {"our": "x", "our.client": ["admin"]}}, "r.our.client", "admin"),
        ({}, "r", None),
    ],
)
def test_the_role_in_a_claim(claims: dict[str, Any], claim: str, role: str | None) -> None:
    assert role_of(claims, claim) == role
