"""Roles that only the access token or userinfo names, and those that must not be believed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from service.admin.people.oidc import Oidc
from service.domain.people import SignInRefusedError
from service.store.pool import Pool
from tests.admin.people.test_oidc import sign_in, who
from tests.support.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    TestProvider,
    new_key,
    sign_with,
    unsigned,
)

ROLES = {"realm_access": {"roles": ["offline_access", "support"]}}
THIEF = new_key("first")


@pytest.fixture
def keycloak(provider: TestProvider, oidc: Oidc) -> TestProvider:
    """A provider whose ID token says nothing about roles."""
    del provider.person["callgate_role"]
    oidc.provider.client = replace(oidc.provider.client, role_claim="realm_access.roles")
    return provider


async def test_roles_in_the_access_token(
    pool: Pool, keycloak: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    keycloak.access, keycloak.userinfo = ROLES, {"sub": "1815"}
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "support")
    assert "userinfo" not in keycloak.asked
    keycloak.access = {"resource_access": {"our.app": {"roles": ["viewer"]}}}
    name = "resource_access.our.app.roles"
    oidc.provider.client = replace(oidc.provider.client, role_claim=name)
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "viewer")


async def test_roles_in_userinfo(
    pool: Pool, keycloak: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    keycloak.userinfo = {"sub": "1815", **ROLES}
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "support")
    for sub in ("1816", None, ""):
        keycloak.userinfo["sub"] = sub
        with pytest.raises(SignInRefusedError):
            await sign_in(oidc, session)


def signed_userinfo(keycloak: TestProvider, **change: Any) -> None:
    """Let userinfo be a JWT of the provider, with these claims changed; None leaves one out."""
    claims = {"iss": keycloak.issuer, "aud": CLIENT_ID, "sub": "1815", **ROLES, **change}
    keycloak.userinfo = {name: value for name, value in claims.items() if value is not None}
    keycloak.sign_userinfo = partial(sign_with, keycloak.key)


@pytest.mark.parametrize("aud", [CLIENT_ID, ["other", CLIENT_ID], None])
async def test_roles_in_signed_userinfo(
    pool: Pool, keycloak: TestProvider, oidc: Oidc, session: aiohttp.ClientSession, aud: object
) -> None:
    signed_userinfo(keycloak, aud=aud)
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "support")


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"iss": "http://127.0.0.1:1/realm"}, None),
        ({"iss": None}, None),
        ({"aud": "another-client"}, None),
        ({"sub": "1816"}, None),
        ({"sub": None}, None),
        ({"exp": 1}, None),
        ({}, unsigned),
        ({}, lambda claims: sign_with(THIEF, claims)),
        ({}, lambda claims: jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))),
        ({}, lambda _claims: "a.b.c.d.e"),
        ({}, lambda _claims: '{"sub": "1815", "realm_access": {"roles": ["support"]}}'),
    ],
)
async def test_signed_userinfo_that_proves_nothing_is_refused(
    keycloak: TestProvider,
    oidc: Oidc,
    session: aiohttp.ClientSession,
    change: dict[str, Any],
    sign: Callable[[dict[str, Any]], str] | None,
) -> None:
    signed_userinfo(keycloak, **change)
    keycloak.sign_userinfo = sign or keycloak.sign_userinfo
    with capture_logs() as logs, pytest.raises(SignInRefusedError, match="user information"):
        await sign_in(oidc, session)
    (refused,) = [entry for entry in logs if entry["event"] == "oidc.refused"]
    assert refused["reason"].startswith("userinfo: ")


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"iss": "http://127.0.0.1:1/realm"}, None),
        ({"sub": "1816"}, None),
        ({"sub": None}, None),
        ({"azp": "another-client"}, None),
        ({"exp": 1}, None),
        ({}, unsigned),
        ({}, lambda claims: sign_with(THIEF, claims)),
        ({}, lambda _claims: "a.b.c"),
    ],
)
async def test_an_access_token_that_proves_nothing_gives_no_role(
    keycloak: TestProvider,
    oidc: Oidc,
    session: aiohttp.ClientSession,
    change: dict[str, Any],
    sign: Callable[[dict[str, Any]], str] | None,
) -> None:
    keycloak.access, keycloak.sign_access = {**ROLES, **change}, sign
    with pytest.raises(SignInRefusedError, match="no role here"):
        await sign_in(oidc, session)


async def test_the_id_token_goes_first(
    pool: Pool, keycloak: TestProvider, oidc: Oidc, session: aiohttp.ClientSession
) -> None:
    keycloak.person["realm_access"] = {"roles": ["viewer"]}
    keycloak.access = {"realm_access": {"roles": ["admin"]}}
    assert await who(pool, await sign_in(oidc, session)) == ("Ada", "viewer")
