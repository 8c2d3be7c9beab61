"""Signs relayed messages by Standard Webhooks, so that a client knows who sent them. Pure.

`webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`{webhook-id}.{webhook-timestamp}.{body}`, once for each valid secret, separated by spaces. A secret is
`whsec_` and the base64 of its key.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from uuid import UUID

PREFIX = "whsec_"
KEY_BYTES = 32
CONTEXT = b"callgate:relay:"


def create_secret() -> str:
    """A new random secret."""
    return secret_of(secrets.token_bytes(KEY_BYTES))


def default_secret(master: str, organization_id: UUID) -> str:
    """What signs for an organization without a secret of its own. It is never shown: it only makes
    sure that the headers are always there."""
    return secret_of(hmac.digest(master.encode(), CONTEXT + organization_id.hex.encode(), "sha256"))


def secret_of(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key of a secret."""
    return base64.b64decode(secret.removeprefix(PREFIX))


def name_message(organization_id: UUID, raw_body: bytes) -> str:
    """The `webhook-id`: the same for a message that Vapi sends again, another for each organization."""
    digest = hashlib.sha256(organization_id.bytes + raw_body).digest()
    return f"msg_{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def signed_headers(
    webhook_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """The three headers of Standard Webhooks. `timestamp` is in seconds since 1970."""
    signed = [sign(webhook_id, timestamp, body, key) for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signed),
    }


def sign(webhook_id: str, timestamp: int, body: bytes, key: bytes) -> str:
    """One signature."""
    # Updating spares a copy of the body.
    digest = hmac.new(key, f"{webhook_id}.{timestamp}.".encode(), "sha256")
    digest.update(body)
    return f"v1,{base64.b64encode(digest.digest()).decode()}"
