"""The client of an OpenID Connect provider: discovery, keys, the exchange of a code for an ID token,
and the token's verification. It reads and writes nothing of ours."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from yarl import URL

from service.admin.errors import GrantEndedError, ProviderUnavailableError
from service.admin.people.oidc_keys import ProviderKeys
from service.domain.people import Role, SignInRefusedError
from service.settings import is_local
from service.settings.outgoing_proxies import proxy_of

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
MAX_BYTES = 2**20
MAX_TOKEN = 2**16
FRESH_SECONDS = 3600.0
LEEWAY_SECONDS = 60
BAD_ANSWER = "The answer of the sign-in provider is not valid. Sign in again."

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OidcClient:
    """Our client at the provider, and how its users get roles. `default_role` is for users without
    `role_claim`; None refuses them."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    role_claim: str
    default_role: Role | None
    name: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The provider's endpoints."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    takes_basic: bool
    read_at: float


@dataclass(frozen=True, slots=True)
class Granted:
    """What a code was exchanged for. `refresh_token` is "" where the provider gives none."""

    id_token: str
    refresh_token: str
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A grant that still holds: the refresh token for the next time, and the new claims if any."""

    refresh_token: str
    claims: Mapping[str, Any] | None
    access_token: str = ""


def away(reason: str) -> ProviderUnavailableError:
    log.warning("oidc.unavailable", reason=reason)
    return ProviderUnavailableError()


def not_accepted(reason: str, sentence: str = BAD_ANSWER) -> SignInRefusedError:
    log.warning("oidc.refused", reason=reason)
    return SignInRefusedError(sentence)


@dataclass(slots=True)
class OidcProvider:
    """One provider; its endpoints and keys are kept for an hour."""

    session: aiohttp.ClientSession
    client: OidcClient
    now: Callable[[], Awaitable[datetime]]
    """The time by which tokens are judged: the database's, as for sessions and API tokens."""
    known: Metadata | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    keys: ProviderKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = ProviderKeys(self.read_keys)

    async def read(self, method: str, url: str, **given: Any) -> tuple[int, Any]:
        """Status and JSON of one request. Raises `UnavailableError`."""
        status, _kind, body = await self.fetch(method, url, **given)
        try:
            return status, orjson.loads(body)
        except ValueError:
            raise away("not JSON") from None

    async def fetch(self, method: str, url: str, **given: Any) -> tuple[int, str, bytes]:
        """Status, media type and body of one request. Raises `UnavailableError`."""
        try:
            async with self.session.request(
                method,
                url,
                timeout=TIMEOUT,
                proxy=proxy_of(URL(url)),
                allow_redirects=False,
                **given,
            ) as response:
                body = b""
                async for part in response.content.iter_chunked(2**16):
                    body += part
                    if len(body) > MAX_BYTES:
                        raise away("too large")
                return response.status, response.content_type, body
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise away(type(exc).__name__) from None
        except ValueError:
            raise away("not a usable address") from None

    async def metadata(self) -> Metadata:
        """The provider's endpoints by discovery. Raises `ProviderUnavailableError`."""
        async with self.reading:
            if self.known is None or time.monotonic() - self.known.read_at > FRESH_SECONDS:
                issuer = self.client.issuer
                place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                status, found = await self.read("GET", place)
                if status != 200 or not isinstance(found, dict):
                    raise away(f"discovery: status {status}")
                if (named := found.get("issuer")) != issuer:
                    raise away(describe_issuer(issuer, named))
                self.known = Metadata(
                    self.endpoint(found, "authorization_endpoint"),
                    self.endpoint(found, "token_endpoint"),
                    self.endpoint(found, "jwks_uri"),
                    self.endpoint(found, "userinfo_endpoint")
                    if "userinfo_endpoint" in found
                    else "",
                    takes_basic(found),
                    time.monotonic(),
                )
            return self.known

    def endpoint(self, found: Mapping[str, Any], name: str) -> str:
        """An endpoint from the discovery document: https, unless the issuer is not."""
        value = found.get(name)
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or not parts.hostname:
            raise away(f"discovery: no {name}")
        plain = self.client.issuer.startswith("http://") and is_local(parts.hostname)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            raise away(f"discovery: {name} is not https")
        assert isinstance(value, str)
        return value

    async def address(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """The address that the browser is sent to."""
        place = (await self.metadata()).authorization_endpoint
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.client.client_id,
                "redirect_uri": redirect_uri,
                "scope": self.client.scopes,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{place}{'&' if '?' in place else '?'}{query}"

    async def redeem(self, *, code: str, verifier: str, redirect_uri: str) -> Granted:
        """Exchange a code for the ID token. Raises `SignInRefusedError`, `UnavailableError`."""
        status, found = await self.ask_token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )
        if 400 <= status < 500:
            raise not_accepted(f"token endpoint: {str(found.get('error'))[:60]}")
        token, refresh_token = found.get("id_token"), found.get("refresh_token")
        if status != 200 or not isinstance(token, str):
            raise away(f"token endpoint: status {status}")
        refresh_token = refresh_token if isinstance(refresh_token, str) else ""
        return Granted(token, refresh_token, access_token_of(found))

    async def refresh(self, refresh_token: str) -> Refreshed:
        """Ask whether a grant still holds (RFC 6749, 6; OpenID Connect Core, 12.2).

        Raises `GrantEndedError`, `SignInRefusedError` for an invalid ID token, `UnavailableError`.
        """
        status, found = await self.ask_token(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        if status == 400 and found.get("error") == "invalid_grant":
            raise GrantEndedError
        if status != 200:
            raise away(f"token endpoint: status {status}, {str(found.get('error'))[:60]}")
        token, following = found.get("id_token"), found.get("refresh_token")
        claims = await self.verify(token, None) if isinstance(token, str) else None
        following = following if isinstance(following, str) else refresh_token
        return Refreshed(following, claims, access_token_of(found))

    async def ask_token(self, data: dict[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Status and object of the token endpoint. Raises `UnavailableError`."""
        metadata = await self.metadata()
        headers = {"Accept": "application/json"}
        if self.client.client_secret and metadata.takes_basic:
            # RFC 6749 requires both parts to be form-encoded before they are joined.
            user = quote(self.client.client_id, safe="")
            secret = quote(self.client.client_secret, safe="")
            headers["Authorization"] = aiohttp.encode_basic_auth(user, secret)
        else:
            data["client_id"] = self.client.client_id
            if self.client.client_secret:
                data["client_secret"] = self.client.client_secret
        status, found = await self.read("POST", metadata.token_endpoint, data=data, headers=headers)
        return status, found if isinstance(found, dict) else {}

    async def read_keys(self) -> Sequence[Any]:
        """The elements of the provider's key set. Raises `UnavailableError`."""
        status, found = await self.read("GET", (await self.metadata()).jwks_uri)
        if status != 200 or not isinstance(found, dict) or not isinstance(found.get("keys"), list):
            raise away(f"keys: status {status}")
        return list(found["keys"])

    async def verify(self, token: str, nonce: str | None) -> Mapping[str, Any]:
        """The claims of an ID token, verified for signature, audience, time and this sign-in, unless
        the token is of a refresh (`nonce` None). Raises `SignInRefusedError`."""
        client_id = self.client.client_id
        registry = jwt.JWTClaimsRegistry(
            now=int((await self.now()).timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.client.issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = await self.keys.decode(token)
            registry.validate(claims)
        except (JoseError, ValueError, TypeError) as exc:
            raise not_accepted(f"ID token: {type(exc).__name__}: {str(exc)[:100]}") from None
        if nonce is not None and claims.get("nonce") != nonce:
            raise not_accepted("ID token: nonce")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp") != client_id and (several or "azp" in claims):
            raise not_accepted("ID token: azp")
        if not isinstance(claims["sub"], str) or not 1 <= len(claims["sub"]) <= 255:
            raise not_accepted("ID token: sub")
        return claims


def access_token_of(found: Mapping[str, Any]) -> str:
    """The access token of the token endpoint's answer; "" if there is none."""
    token = found.get("access_token")
    return token if isinstance(token, str) and len(token) <= MAX_TOKEN else ""


def describe_issuer(issuer: str, named: object) -> str:
    """What is wrong where the discovery document names another issuer than the setting."""
    if isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/"):
        way = "with a slash" if named.endswith("/") else "without the slash"
        return f"discovery: write CALLGATE_OIDC_ISSUER {way} at its end, as the provider does"
    return "discovery: another issuer than CALLGATE_OIDC_ISSUER"


def takes_basic(found: Mapping[str, Any]) -> bool:
    """Whether the provider expects the secret in a header, which is the default."""
    ways = found.get("token_endpoint_auth_methods_supported")
    return not isinstance(ways, list) or "client_secret_basic" in ways
