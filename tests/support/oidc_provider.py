"""A small OpenID Connect provider: discovery, a browser's way through it, codes, tokens and keys.

It validates requests as strictly as a real one, and can be configured to lie in its ID tokens.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "callgate-tests", "the secret: of+tests"

Claims = dict[str, Any]
Sign = Callable[[Claims], str]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class TestProvider:
    """`person` is who sits at the browser; `change` changes the claims of the next ID tokens."""

    __test__ = False

    port: int = 0
    person: Claims = field(default_factory=lambda: {"sub": "1815", "preferred_username": "ada"})
    change: Mapping[str, Any] = field(default_factory=dict)
    sign: Sign | None = None
    down: bool = False
    grants: set[str] = field(default_factory=set)
    """Valid refresh tokens; each works once."""
    refreshes: bool = True
    access: Claims | None = None
    """Claims of access tokens beside the usual ones; None: they are opaque."""
    sign_access: Sign | None = None
    userinfo: Claims | None = None
    """What userinfo answers; None: there is no such endpoint."""
    userinfo_down: bool = False
    sign_userinfo: Sign | None = None
    """Signs userinfo; None: it is plain JSON."""
    shows_kid: bool = True
    secret: str = CLIENT_SECRET
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: new_key("first"))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/realm/.well-known/openid-configuration", self.discovery)
        app.router.add_get("/realm/authorize", self.authorize)
        app.router.add_post("/realm/token", self.token)
        app.router.add_get("/realm/keys", self.jwks)
        app.router.add_get("/realm/userinfo", self.tell_userinfo)
        return app

    async def discovery(self, request: web.Request) -> web.Response:
        self.asked.append("discovery")
        if self.down:
            return web.Response(status=503, text="down")
        more = {} if self.userinfo is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}
        return web.json_response(
            {
                **more,
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
            }
        )

    async def authorize(self, request: web.Request) -> web.Response:
        """Sign every visitor in at once."""
        query = dict(request.query)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        raise web.HTTPFound(f"{query['redirect_uri']}?{back}")

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        if self.down:
            return web.Response(status=502, text="down")
        form = await request.post()
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        assert scheme == "Basic"
        user, _, secret = base64.b64decode(given).decode().partition(":")
        if (unquote(user), unquote(secret)) != (CLIENT_ID, self.secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") == "refresh_token":
            return self.refreshed(str(form.get("refresh_token")))
        query = self.codes.pop(str(form.get("code")), None)
        challenge = base64url(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        if (
            query is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != query["redirect_uri"]
            or challenge != query["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return self.granted(query["nonce"])

    def refreshed(self, token: str) -> web.Response:
        if token not in self.grants:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.grants.remove(token)
        return self.granted(None)

    def granted(self, nonce: str | None) -> web.Response:
        """Tokens of the person; those of a refresh have no nonce."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person,
            **self.change,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.sign(claims) if self.sign is not None else sign_with(self.key, claims)
        access = self.access_token(now)
        body = {"access_token": access, "token_type": "Bearer", "id_token": token}
        if self.refreshes:
            body["refresh_token"] = secrets.token_urlsafe(32)
            self.grants.add(body["refresh_token"])
        return web.json_response(body)

    def access_token(self, now: int) -> str:
        """Opaque, or a JWT that is meant for another service, as Keycloak's are."""
        if self.access is None:
            return "opaque"
        claims = {
            "iss": self.issuer,
            "aud": "account",
            "azp": CLIENT_ID,
            "exp": now + 300,
            "sub": self.person["sub"],
            **self.access,
        }
        if self.sign_access is not None:
            return self.sign_access(claims)
        return sign_with(self.key, claims)

    async def tell_userinfo(self, request: web.Request) -> web.Response:
        self.asked.append("userinfo")
        if self.userinfo_down:
            return web.Response(status=503, text="down")
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return web.json_response({"error": "invalid_token"}, status=401)
        if self.sign_userinfo is not None:
            token = self.sign_userinfo(dict(self.userinfo or {}))
            return web.Response(text=token, content_type="application/jwt")
        return web.json_response(self.userinfo)

    async def jwks(self, request: web.Request) -> web.Response:
        self.asked.append("keys")
        strange = {"kty": "future", "kid": "strange"}
        shown = self.key.as_dict(private=False)
        if not self.shows_kid:
            del shown["kid"]
        return web.json_response({"keys": [strange, shown]})


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, auto_kid=False)


def sign_with(key: RSAKey, claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def sign_without_kid(key: RSAKey, claims: Claims) -> str:
    return jwt.encode({"alg": "RS256"}, claims, key)


def unsigned(claims: Claims) -> str:
    """A token with the algorithm `none`, without a signature."""
    import orjson

    header = base64url(orjson.dumps({"alg": "none"}))
    return f"{header}.{base64url(orjson.dumps(claims))}."
