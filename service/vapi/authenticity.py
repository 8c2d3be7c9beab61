"""Proving that a webhook comes from Vapi, over its raw bytes. No I/O; time is an argument.

Two modes. `secret`: the header that the reconciler installs (`server.headers["X-Vapi-Secret"]`).
`hmac`: a signature made by Vapi's HMAC credential, whose shape is configurable on both sides. For
Standard Webhooks set CALLGATE_HMAC_SIGNATURE_HEADER=webhook-signature,
CALLGATE_HMAC_TIMESTAMP_HEADER=webhook-timestamp, CALLGATE_HMAC_PREFIX="v1,",
CALLGATE_HMAC_ENCODING=base64 and CALLGATE_HMAC_PAYLOAD={id}.{timestamp}.{body}.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.settings import Settings

SECRET_HEADER = b"x-vapi-secret"
Headers = Sequence[tuple[bytes, bytes]]


class AuthenticityError(Exception):
    """Nothing proves that the message comes from Vapi. The text never repeats what was sent."""


@dataclass(frozen=True, slots=True)
class AuthenticityRules:
    """What is accepted. `secrets` are all live ones, as bytes; the order is the settings'."""

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


def rules_from(settings: Settings) -> AuthenticityRules:
    """The rules that the environment asks for."""
    return AuthenticityRules(
        mode=settings.vapi_webhook_auth,
        secrets=tuple(secret.encode() for secret in settings.webhook_secrets),
        algorithm=settings.callgate_hmac_algorithm,
        signature_header=settings.callgate_hmac_signature_header.lower().encode(),
        timestamp_header=settings.callgate_hmac_timestamp_header.lower().encode(),
        id_header=settings.callgate_hmac_id_header.lower().encode(),
        prefix=settings.callgate_hmac_prefix.encode(),
        encoding=settings.callgate_hmac_encoding,
        payload=settings.callgate_hmac_payload.encode(),
        tolerance=settings.callgate_hmac_tolerance,
    )


def verify_headers_early(headers: Headers, rules: AuthenticityRules) -> None:
    """Refuse before the body is read, where the mode allows: nobody uploads 32 MiB unproved."""
    if rules.mode == "secret":
        verify_secret(headers, rules)


def verify(headers: Headers, body: bytes, rules: AuthenticityRules, now: float) -> int:
    """Return which secret fitted (its place in the settings); raise `AuthenticityError` if none.

    `now` is in seconds since 1970 and only matters where the timestamp is signed.
    """
    if rules.mode == "secret":
        return verify_secret(headers, rules)
    return verify_signature(headers, body, rules, now)


def single(headers: Headers, name: bytes) -> bytes | None:
    """The one value of a header; two are an attempt to be read differently by two readers."""
    values = [value for key, value in headers if key.lower() == name]
    if len(values) > 1:
        raise AuthenticityError(f"The header {name.decode(errors='replace')} is there twice.")
    return values[0].strip() if values else None


def verify_secret(headers: Headers, rules: AuthenticityRules) -> int:
    """Compare the header with every secret, on bytes: text would raise on non-ASCII input."""
    given = single(headers, SECRET_HEADER)
    if given is None:
        # A Bearer credential made in Vapi's dashboard carries the same secret.
        scheme, _, token = (single(headers, b"authorization") or b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else b""
    if not given:
        raise AuthenticityError("The webhook secret is missing.")
    return match(given, rules.secrets)


def match(given: bytes, expected: Sequence[bytes]) -> int:
    """The place of the value that fits, in a time that does not tell which or how nearly."""
    fits = [hmac.compare_digest(given, value) for value in expected]
    if not any(fits):
        raise AuthenticityError("The webhook secret or signature is wrong.")
    return fits.index(True)


def verify_signature(headers: Headers, body: bytes, rules: AuthenticityRules, now: float) -> int:
    given = single(headers, rules.signature_header)
    if not given:
        raise AuthenticityError("The signature is missing.")
    payload = rules.payload
    # The body goes in last, so that nothing in it is taken for a placeholder.
    head, _, tail = payload.partition(b"{body}")
    fields = {}
    if b"{timestamp}" in payload:
        fields[b"{timestamp}"] = timestamp(headers, rules, now)
    if b"{id}" in payload:
        fields[b"{id}"] = message_id(headers, rules)
    for placeholder, value in fields.items():
        head, tail = head.replace(placeholder, value), tail.replace(placeholder, value)
    signed = head + body + tail
    digests = [
        hmac.digest(signing_key(secret), signed, rules.algorithm) for secret in rules.secrets
    ]
    for candidate in candidates(given, rules):
        try:
            return match(candidate, digests)
        except AuthenticityError:
            continue
    raise AuthenticityError("The webhook secret or signature is wrong.")


def signing_key(secret: bytes) -> bytes:
    """The key itself; Standard Webhooks writes it as `whsec_` and base64."""
    if secret.startswith(b"whsec_"):
        try:
            return base64.b64decode(secret[6:], validate=True)
        except binascii.Error:
            return secret
    return secret


def candidates(given: bytes, rules: AuthenticityRules) -> list[bytes]:
    """The signatures in a header, decoded; several may stand there while a key is rotated."""
    size = hashlib.new(rules.algorithm).digest_size
    found = []
    for part in given.split()[:10]:
        if rules.prefix and not part.startswith(rules.prefix):
            continue
        text = part.removeprefix(rules.prefix)
        try:
            if rules.encoding == "hex":
                digest = binascii.unhexlify(text)
            else:
                digest = base64.b64decode(text, validate=True)
        except ValueError:
            continue
        if len(digest) == size:
            found.append(digest)
    return found


def timestamp(headers: Headers, rules: AuthenticityRules, now: float) -> bytes:
    """The signed time as it was sent, if it is near enough to `now`, before or after.

    Vapi does not document seconds or milliseconds: both are accepted.
    """
    text = single(headers, rules.timestamp_header)
    if not text or not text.isdigit() or len(text) > 16:
        raise AuthenticityError("The timestamp is missing or not a number.")
    sent = int(text)
    seconds = sent / 1000 if sent >= 10**11 else float(sent)
    if abs(now - seconds) > rules.tolerance:
        raise AuthenticityError("The timestamp is too far from now.")
    return text


def message_id(headers: Headers, rules: AuthenticityRules) -> bytes:
    text = single(headers, rules.id_header)
    if not text or len(text) > 256:
        raise AuthenticityError("The message id is missing.")
    return text
