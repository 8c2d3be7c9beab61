"""Authenticates webhooks over their raw bytes. Pure; time is an argument.

Two modes. `secret`: the header that the reconciler installs (`server.headers["X-Vapi-Secret"]`), or
the same secret as `Authorization: Bearer` (a credential made in Vapi's dashboard) where that header
is absent. It is an organization's secret, which proves messages of that organization only, or a master,
which proves all. `hmac`: a signature by Vapi's HMAC credential, whose shape is configurable on both
sides; its key is a master.

For Standard Webhooks set CALLGATE_HMAC_SIGNATURE_HEADER=webhook-signature,
CALLGATE_HMAC_TIMESTAMP_HEADER=webhook-timestamp, CALLGATE_HMAC_PREFIX=v1,
CALLGATE_HMAC_ENCODING=base64 and CALLGATE_HMAC_PAYLOAD={id}.{timestamp}.{body}; a secret written
as `whsec_` and base64 is decoded.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from service.domain.organization_secret import verify_organization_secret
from service.settings import Settings

SECRET_HEADER = b"x-vapi-secret"
PLACEHOLDER = re.compile(rb"(\{timestamp\}|\{body\}|\{id\})")
VAPI_ID = b"{svix-id}"
"""Vapi's name for `{id}` in a payload format."""

TIMESTAMP = re.compile(rb"[0-9]{1,16}")
MESSAGE_ID = re.compile(rb"[\x21-\x7e]{1,256}")
FIRST_MILLISECONDS = 10**11
"""From here a timestamp counts as milliseconds: as seconds it would be the year 5138."""
MAX_SIGNATURES = 10
FUTURE_SECONDS = 30.0
"""How far the sender's clock may be ahead, which no delay explains."""

Headers = Sequence[tuple[bytes, bytes]]


class AuthenticityError(Exception):
    """The message is not proved to come from Vapi. The text never repeats what was sent."""


@dataclass(frozen=True, slots=True)
class AuthenticityRules:
    """The accepted proofs. `secrets` are all masters, as bytes, in the order of the settings."""

    mode: Literal["secret", "hmac"]
    secrets: tuple[bytes, ...]
    algorithm: str = "sha256"
    signature_header: bytes = b"x-signature"
    timestamp_header: bytes = b"x-timestamp"
    id_header: bytes = b"webhook-id"
    prefix: bytes = b""
    encoding: Literal["hex", "base64"] = "hex"
    payload: bytes = b"{timestamp}.{body}"
    tolerance: float = 300
    accept_master: bool = True

    @property
    def replayable_seconds(self) -> float:
        """How long after its first arrival a signature may still be within the tolerance."""
        return self.tolerance + FUTURE_SECONDS


def rules_from(settings: Settings) -> AuthenticityRules:
    """Build the rules from the settings."""
    return AuthenticityRules(
        mode=settings.vapi_webhook_auth,
        secrets=tuple(secret.encode() for secret in settings.webhook_secrets),
        algorithm=settings.callgate_hmac_algorithm,
        signature_header=settings.callgate_hmac_signature_header.lower().encode(),
        timestamp_header=settings.callgate_hmac_timestamp_header.lower().encode(),
        id_header=settings.callgate_hmac_id_header.lower().encode(),
        prefix=settings.callgate_hmac_prefix.encode(),
        encoding=settings.callgate_hmac_encoding,
        payload=settings.callgate_hmac_payload.encode().replace(VAPI_ID, b"{id}"),
        tolerance=settings.callgate_hmac_tolerance,
        accept_master=settings.callgate_accept_master_secret,
    )


class BodyProof:
    """The proof of one message while its body comes in; nothing of the body is kept.

    Mode `secret` is checked in full by the headers, and `proved` is true from the start. Mode `hmac`
    rejects missing and stale headers at once, and hashes each part with every candidate key.
    Raises `AuthenticityError`. `now` is in seconds since 1970, by the database's clock: if a machine's
    were wrong, every genuine message would be refused. `organization_id`: the only
    organization whose messages are proved; None: those of every organization.
    """

    def __init__(self, headers: Headers, rules: AuthenticityRules, now: float) -> None:
        self.place: int | None = None
        self.organization_id: UUID | None = None
        self.given: list[bytes] = []
        self.hashes: list[hmac.HMAC] = []
        self.payload = hashlib.sha256()
        self.suffix = b""
        if rules.mode == "secret":
            self.place, self.organization_id = verify_secret(headers, rules)
            return
        self.given = signatures(headers, rules)
        fields = signed_fields(headers, rules)
        sent = fields.get(b"{timestamp}")
        age = 0.0 if sent is None else now - seconds(sent)
        if age > rules.tolerance or age < -FUTURE_SECONDS:
            raise AuthenticityError("The timestamp is too far from now.")
        # One pass over the template, so that placeholders within values are not replaced.
        parts = PLACEHOLDER.split(rules.payload)
        body_at = parts.index(b"{body}")
        prefix = b"".join(fields.get(part, part) for part in parts[:body_at])
        self.suffix = b"".join(fields.get(part, part) for part in parts[body_at + 1 :])
        self.hashes = [hmac.new(signing_key(key), prefix, rules.algorithm) for key in rules.secrets]
        self.payload.update(prefix)

    @property
    def proved(self) -> bool:
        """Whether the sender is proved before the body is there."""
        return self.place is not None

    def update(self, part: bytes) -> None:
        """Take the next part of the body."""
        for one in self.hashes:
            one.update(part)
        if self.hashes:
            self.payload.update(part)

    @property
    def signed_digest(self) -> bytes | None:
        """SHA-256 of what was signed, by which a repetition is recognized; None in mode `secret`.

        The signature itself would not do: one payload may carry several.
        """
        return self.payload.digest() if self.hashes else None

    def finish(self) -> int:
        """Return the index of the secret that matched. Raises `AuthenticityError`."""
        if self.place is not None:
            return self.place
        self.update(self.suffix)
        expected = [one.digest() for one in self.hashes]
        for signature in self.given:
            found = match(signature, expected)
            if found is not None:
                return found
        raise AuthenticityError("The signature is wrong.")


def verify(headers: Headers, body: bytes, rules: AuthenticityRules, now: float) -> int:
    """Return the index of the secret that matched; raise `AuthenticityError` if none did.

    `now` is in seconds since 1970 and only matters where the timestamp is signed.
    """
    proof = BodyProof(headers, rules, now)
    proof.update(body)
    return proof.finish()


def single(headers: Headers, name: bytes) -> bytes | None:
    """The one value of a header; a repeated header is rejected, because readers differ on it."""
    values = [value for key, value in headers if key.lower() == name]
    if len(values) > 1:
        raise AuthenticityError(f"The header {name.decode(errors='replace')} is repeated.")
    return values[0].strip(b" \t") if values else None


def verify_secret(headers: Headers, rules: AuthenticityRules) -> tuple[int, UUID | None]:
    """Return the index of the master, and the organization that the secret is derived for.

    Compares bytes: text would raise on non-ASCII input. Where X-Vapi-Secret is present, even empty,
    Authorization is ignored.
    """
    given = single(headers, SECRET_HEADER)
    if given is None:
        scheme, _, token = (single(headers, b"authorization") or b"").partition(b" ")
        given = token.strip(b" \t") if scheme.lower() == b"bearer" else b""
    if not given:
        raise AuthenticityError("The webhook secret is missing.")
    derived = verify_organization_secret(given, rules.secrets)
    if derived is not None:
        return derived
    found = match(given, rules.secrets)
    if found is None:
        raise AuthenticityError("The webhook secret is wrong.")
    if not rules.accept_master:
        raise AuthenticityError("The master secret is not accepted: send the organization's own.")
    return found, None


def match(given: bytes, expected: Sequence[bytes]) -> int | None:
    """The index of the value that matches, in constant time."""
    fits = [hmac.compare_digest(given, value) for value in expected]
    return fits.index(True) if any(fits) else None


def signed_fields(headers: Headers, rules: AuthenticityRules) -> dict[bytes, bytes]:
    """The values of the payload template besides the body, as sent."""
    fields = {}
    if b"{timestamp}" in rules.payload:
        text = single(headers, rules.timestamp_header)
        if not text or not TIMESTAMP.fullmatch(text):
            raise AuthenticityError("The timestamp is missing or not a number.")
        fields[b"{timestamp}"] = text
    if b"{id}" in rules.payload:
        text = single(headers, rules.id_header)
        if not text or not MESSAGE_ID.fullmatch(text):
            raise AuthenticityError("The message id is missing or malformed.")
        fields[b"{id}"] = text
    return fields


def seconds(timestamp: bytes) -> float:
    """Seconds since 1970. Vapi documents neither seconds nor milliseconds: both are accepted."""
    sent = int(timestamp)
    return sent / 1000 if sent >= FIRST_MILLISECONDS else float(sent)


def signing_key(secret: bytes) -> bytes:
    """The key itself; Standard Webhooks writes it as `whsec_` and base64."""
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        # With an empty key every sender could sign.
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True) or secret
    except binascii.Error:
        return secret


def signatures(headers: Headers, rules: AuthenticityRules) -> list[bytes]:
    """The signatures in the header, decoded; there may be several during a key rotation."""
    given = single(headers, rules.signature_header)
    if not given:
        raise AuthenticityError("The signature is missing.")
    size = hashlib.new(rules.algorithm, usedforsecurity=False).digest_size
    parts = given.split()[:MAX_SIGNATURES]
    found = [decoded for part in parts if len(decoded := decode(part, rules)) == size]
    if not found:
        raise AuthenticityError("The signature is malformed.")
    return found


def decode(part: bytes, rules: AuthenticityRules) -> bytes:
    """One signature as bytes, without its prefix; empty if it is invalid.

    The prefix may be configured with or without its last character (`sha256=`, `v1,`).
    """
    if not part.startswith(rules.prefix):
        return b""
    text = part.removeprefix(rules.prefix)
    if rules.prefix and text[:1] in (b"=", b","):
        text = text[1:]
    try:
        if rules.encoding == "hex":
            return binascii.unhexlify(text)
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
