"""The webhook secret of one organization, derived from the master secret. Pure.

`cgo1.` + the organization's id (32 hexadecimal digits) + `.` + base64url without padding of
HMAC-SHA256(key: the master's UTF-8 bytes, message: `callgate:organization:` + the same digits).
Nothing is stored: the master secret derives all of them, and no derived secret shows another.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

PREFIX = "cgo1."

CONTEXT = b"callgate:organization:"
SHAPE = re.compile(rb"cgo1\.([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")
NO_ORGANIZATION = UUID(int=0)
"""Its secret has the right form and proves messages of no organization."""

KEPT = 8192
"""How many derived secrets stay in memory; deriving one again takes microseconds."""


@lru_cache(maxsize=KEPT)
def derive_organization_secret(master: str | bytes, organization_id: UUID) -> str:
    """The secret that proves messages of this organization, and of no other."""
    key = master.encode() if isinstance(master, str) else master
    digits = organization_id.hex
    digest = hmac.digest(key, CONTEXT + digits.encode(), "sha256")
    return f"{PREFIX}{digits}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def named_organization(given: bytes) -> UUID | None:
    """The organization that a secret of this form names, unproved; None for any other form."""
    found = SHAPE.fullmatch(given)
    return parse_digits(found[1]) if found else None


@lru_cache(maxsize=KEPT)
def parse_digits(digits: bytes) -> UUID:
    """The id that 32 hexadecimal digits are."""
    return UUID(hex=digits.decode())


def verify_organization_secret(
    given: bytes, masters: Sequence[str | bytes]
) -> tuple[int, UUID] | None:
    """The index of the master that the secret derives from, and its organization; None for neither.

    Takes the same time wherever a wrong secret differs.
    """
    organization_id = named_organization(given)
    if organization_id is None:
        return None
    fits = [
        hmac.compare_digest(given, derive_organization_secret(master, organization_id).encode())
        for master in masters
    ]
    return (fits.index(True), organization_id) if any(fits) else None
