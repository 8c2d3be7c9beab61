"""Roles that only the access token or userinfo names, and those that must not be believed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from service.admin.people.oidc import Oidc
from service.domain.people import SignInRefusedError
from service.store.pool import Pool
from tests.admin.people.test_oidc import sign_in, who
from tests.support.oidc_provider import TestProvider, new_key, sign_with, unsigned

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
