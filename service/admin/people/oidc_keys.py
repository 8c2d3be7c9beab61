"""The public keys of an OpenID Connect provider, and the verification of signatures with them."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

ALGORITHMS: Mapping[str, type[Key]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    "EdDSA": OKPKey,
}
"""Signatures that only the provider can make: `none` has no key, HS256 shares one with all clients."""
KINDS: Mapping[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

MOST_KEYS = 100
MOST_TRIED = 10
FRESH_SECONDS = 3600.0
MOST_READS = 5
PER_SECONDS = 60.0
"""At most so many reads of the keys in this time, whatever tokens arrive."""

log = structlog.get_logger()


@dataclass(slots=True)
class ProviderKeys:
    """The keys, kept for an hour, and read again for a token that none of them signed.

    `read` returns the elements of the provider's key set; raises `ProviderUnavailableError`.
    """

    read: Callable[[], Awaitable[Sequence[Any]]]
    keys: Sequence[Key] = ()
    read_at: float = float("-inf")
    reads: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_READS))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def decode(self, token: str) -> dict[str, Any]:
        """The claims of a signed token. Raises `JoseError`, `ValueError`, `TypeError`.

        A provider may change its key under the same `kid`, or name none: then every key that fits is
        tried, and the keys are read again.
        """
        if time.monotonic() - self.read_at > FRESH_SECONDS:
            await self.refresh(self.read_at)
        seen = self.read_at
        try:
            return verified(token, self.keys)
        except BadSignatureError:
            if not await self.refresh(seen):
                raise
        return verified(token, self.keys)

    async def refresh(self, seen: float) -> bool:
        """Read the keys unless that happened after `seen`; False where the limit forbids it."""
        async with self.turn:
            if self.read_at != seen:
                return True
            now = time.monotonic()
            if len(self.reads) == MOST_READS and now - self.reads[0] < PER_SECONDS:
                log.warning("oidc.keys_not_read", reason="read too often")
                return False
            self.reads.append(now)
            self.keys = keys_of(await self.read())
            self.read_at = now
            return True


def keys_of(found: Sequence[Any]) -> list[Key]:
    """The supported keys for signatures among the elements of a key set."""
    keys = list[Key]()
    for data in found[:MOST_KEYS]:
        kind = KINDS.get(str(data.get("kty"))) if isinstance(data, dict) else None
        if kind is None or data.get("use", "sig") != "sig":
            continue
        try:
            keys.append(kind.import_key(data))
        except (JoseError, ValueError, TypeError, KeyError):
            log.warning("oidc.key_skipped")
    return keys


def verified(token: str, keys: Sequence[Key]) -> dict[str, Any]:
    """The claims of a token that one of the keys signed. Raises `BadSignatureError` if none did."""
    header = jws.extract_compact(token.encode()).headers()
    kind, kid = ALGORITHMS.get(str(header.get("alg"))), header.get("kid")
    if kind is None:
        raise ValueError("the algorithm is not accepted")
    fitting = [key for key in keys if isinstance(key, kind) and names(key, kid)]
    for key in fitting[:MOST_TRIED]:
        try:
            claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
        except BadSignatureError:
            continue
        if not isinstance(claims, dict):
            raise TypeError("the claims are no object")
        return claims
    raise BadSignatureError


def names(key: Key, kid: object) -> bool:
    """Whether a token with this `kid` may be of the key: one of both names none, or both the same."""
    own = key.as_dict(private=False).get("kid")
    return kid is None or own is None or own == kid
