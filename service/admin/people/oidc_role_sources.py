"""Where the role of a user of the provider may stand beside the ID token: the access token, userinfo."""

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError

from service.admin.people.oidc_provider import LEEWAY_SECONDS, OidcProvider, away, not_accepted
from service.admin.people.oidc_roles import find_claim

BAD_USERINFO = (
    "The user information of the sign-in provider is not valid. "
    "The log of Callgate says why (oidc.refused)."
)

log = structlog.get_logger()


async def with_roles(
    provider: OidcProvider, claims: Mapping[str, Any], access_token: str
) -> Mapping[str, Any]:
    """The claims of an ID token; if they lack the role claim, with that of the access token
    (Keycloak's default), else of userinfo.

    Raises `SignInRefusedError` for the userinfo of another person, `UnavailableError`.
    """
    name = provider.client.role_claim
    if not access_token or find_claim(claims, name) is not None:
        return claims
    for read in (read_access_token, read_userinfo):
        more = await read(provider, access_token, claims["sub"])
        value = find_claim(more, name)
        if value is not None:
            return {**more, **claims, name: value}
    return claims


async def read_access_token(provider: OidcProvider, token: str, subject: str) -> Mapping[str, Any]:
    """The claims of an access token that is a JWT of this issuer for this person and client.

    Else none: such a token is meant for others, and says nothing to us.
    """
    issuer = provider.client.issuer
    registry = jwt.JWTClaimsRegistry(
        now=int((await provider.now()).timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        sub={"essential": True, "value": subject},
        exp={"essential": True},
    )
    try:
        # Not verified yet: keys are not read again for a token of another issuer.
        told = orjson.loads(jws.extract_compact(token.encode()).payload)
        if not isinstance(told, dict) or told.get("iss") != issuer:
            return {}
        claims = await provider.keys.decode(token)
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as exc:
        log.info("oidc.access_token_ignored", reason=type(exc).__name__)
        return {}
    party = claims.get("azp", claims.get("client_id", provider.client.client_id))
    return claims if party == provider.client.client_id else {}


async def read_userinfo(provider: OidcProvider, token: str, subject: str) -> Mapping[str, Any]:
    """The claims of userinfo (OpenID Connect Core, 5.3); none where the token does not suffice.

    Some providers answer with a signed JWT. Raises `SignInRefusedError`, `UnavailableError`.
    """
    place = (await provider.metadata()).userinfo_endpoint
    if not place:
        return {}
    headers = {"Accept": "application/json, application/jwt", "Authorization": f"Bearer {token}"}
    status, kind, body = await provider.fetch("GET", place, headers=headers)
    if status in (401, 403):
        log.warning("oidc.userinfo_refused", status=status)
        return {}
    if status != 200:
        raise away(f"userinfo: status {status}")
    found = await read_signed(provider, body) if kind == "application/jwt" else read_plain(body)
    if found.get("sub") != subject:
        raise not_accepted("userinfo: sub", BAD_USERINFO)
    return found


def read_plain(body: bytes) -> Mapping[str, Any]:
    """Userinfo as JSON. Raises `UnavailableError`."""
    try:
        found = orjson.loads(body)
    except ValueError:
        raise away("userinfo: not JSON") from None
    if not isinstance(found, dict):
        raise away("userinfo: no object")
    return found


async def read_signed(provider: OidcProvider, body: bytes) -> Mapping[str, Any]:
    """The claims of userinfo that is a JWT: signed by this issuer and, if it says for whom, for us.

    Raises `SignInRefusedError`.
    """
    registry = jwt.JWTClaimsRegistry(
        now=int((await provider.now()).timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": provider.client.issuer},
        aud={"value": provider.client.client_id},
    )
    try:
        claims = await provider.keys.decode(body.decode().strip())
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as exc:
        reason = f"userinfo: {type(exc).__name__}: {str(exc)[:100]}"
        raise not_accepted(reason, BAD_USERINFO) from None
    return claims
