"""Hashes passwords with argon2 in threads, a few at once: each takes 64 MiB and 0.1 s of a core."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.domain.errors import UnavailableError
from service.domain.people import canonical_password
from service.domain.texts import MOST_CHARACTERS

AT_ONCE = 2
WAIT_SECONDS = 10.0

UNKNOWN_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$jTPSwsjTQGUEWNPPHoIKdw"
    "$gZK5105APSVoD3VeKsPW8gtu66GGL0UmCsUslFHleTk"
)
"""Verified for unknown names, so that the answer takes as long as for known ones."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """One per process: it bounds the concurrent work."""

    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    unknown_hash: str = UNKNOWN_HASH
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a turn. Raises `UnavailableError` after `WAIT_SECONDS`."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.places.acquire()
        except TimeoutError:
            raise UnavailableError("Too many sign-ins at once. Try again in a moment.") from None
        try:
            yield
        finally:
            self.places.release()

    async def hash(self, password: str) -> str:
        async with self.place():
            return await asyncio.to_thread(self.hasher.hash, canonical_password(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password matches. Without a hash it does not, and the check takes as long."""
        if len(password) > MOST_CHARACTERS:
            return False
        try:
            given = canonical_password(password).encode()
        except UnicodeEncodeError:
            return False
        async with self.place():
            try:
                await asyncio.to_thread(
                    self.hasher.verify, password_hash or self.unknown_hash, given
                )
            except (VerificationError, InvalidHashError):
                return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash has other parameters than the current ones."""
        return self.hasher.check_needs_rehash(password_hash)
