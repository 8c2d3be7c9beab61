"""The external policy: asks a server of the operator over HTTP, in any language, in its own process.

It enters the chain like a third-party plugin once one of its variables is set, and sleeps until its URL
and secret are. Each failure is one of the host: deadline, breaker and `on_failure` apply as to any
policy. The JSON of request and verdict is documented in `policies/README.md`.
"""

import binascii
import json
import os
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, SecretStr

from policies import (
    AccessPolicy,
    AccessRequest,
    OnFailure,
    PolicyContext,
    Purpose,
    Verdict,
    abstain,
    hookimpl,
)
from policies.host.documents import dump, load_verdict
from service.domain.relay import signing

if TYPE_CHECKING:
    import aiohttp

MIN_SECRET_BYTES = 24
LARGEST_ANSWER = 64 * 1024
CONNECTIONS = 32
VARIABLES = "CALLGATE_POLICY_EXTERNAL_"
LOCAL = ("localhost", "127.0.0.1", "::1")


class ExternalPolicyError(Exception):
    """The server gave no usable answer; the message says what was wrong, without its text."""


def check_url(text: str) -> str:
    """An https URL, or http on this machine. Raises `ValueError`."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in LOCAL
    if not parts.hostname or not (local or parts.scheme == "https") or parts.username:
        raise ValueError("give an https URL without a user, or http on localhost")
    return text


def check_secret(given: SecretStr) -> SecretStr:
    """A secret of Standard Webhooks: whsec_ and base64. Raises `ValueError`."""
    key_of(given)
    return given


def key_of(secret: SecretStr) -> bytes:
    """The bytes that sign. Raises `ValueError`."""
    try:
        key = signing.key_of(secret.get_secret_value())
    except binascii.Error:
        key = b""
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"give whsec_ and base64 of at least {MIN_SECRET_BYTES} bytes")
    return key


class ExternalSettings(BaseModel):
    """CALLGATE_POLICY_EXTERNAL_URL, …_SECRET and …_PURPOSES, or an organization's own."""

    url: Annotated[str, AfterValidator(check_url)]
    secret: Annotated[SecretStr, AfterValidator(check_secret)]
    purposes: frozenset[Purpose] = frozenset({"call", "predial", "preview"})


class ExternalPolicy:
    """Posts the request, signed, and takes the verdict that the server answers with."""

    name = "external"
    order = 90
    timeout_seconds = 1.0
    on_failure: OnFailure = "abstain"
    settings = ExternalSettings

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession | None = None

    async def start(self, _context: PolicyContext) -> None:
        """Open the connections; the first request makes them. aiohttp is imported here: every command
        with policies loads this module."""
        import aiohttp  # noqa: PLC0415

        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def stop(self) -> None:
        """Close the connections."""
        if self.session is not None:
            await self.session.close()
            self.session = None

    async def evaluate(self, request: AccessRequest) -> Verdict:
        """The server's verdict. Raises `ExternalPolicyError`, or what aiohttp raises."""
        settings: ExternalSettings = request.settings
        if request.purpose not in settings.purposes:
            return abstain()
        body = json.dumps({"type": "access.requested", "request": dump(request)}).encode()
        headers = {"Content-Type": "application/json", **sign(body, key_of(settings.secret))}
        if self.session is None:
            raise ExternalPolicyError("the policy is not started")
        async with self.session.post(
            settings.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise ExternalPolicyError(f"the server answered {response.status}")
            answer = await read_at_most(response.content, LARGEST_ANSWER)
        return load_verdict(json.loads(answer))


def sign(body: bytes, key: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks for a body."""
    return signing.signed_headers(f"msg_{uuid4().hex}", int(time.time()), body, [key])


async def read_at_most(stream: Any, most: int) -> bytes:
    """A whole body. Raises `ExternalPolicyError` if it is larger."""
    body = b""
    while chunk := await stream.read(most + 1 - len(body)):
        body += chunk
        if len(body) > most:
            raise ExternalPolicyError("the answer is too large")
    return body


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin, once a setting of it is given. Without one, no trace and
    no list shows it."""
    configured = any(name.startswith(VARIABLES) for name in os.environ)
    return [ExternalPolicy()] if configured else []
