"""Browsers in which an admin signed in before: failed sign-ins from elsewhere do not slow them down."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from service.admin.people.tokens import MAX_LENGTH, hash_of
from service.domain.people import key_of
from service.domain.texts import MOST_CHARACTERS
from service.store.people import known_browsers as store
from service.store.pool import Pool

KNOWN_FOR = timedelta(days=180)
"""Since the last sign-in."""


@dataclass(frozen=True, slots=True)
class KnownBrowsers:
    """Recognizes browsers by a cookie. It opens nothing: it only gives failures a count of their own."""

    pool: Pool

    async def find_counter(self, token: str, name: str) -> str:
        """The count of failures for this admin's browser; "" for a browser that is not known."""
        if len(name) > MOST_CHARACTERS or not is_token(token):
            return ""
        known = await store.is_known(self.pool, hash_of(token), key_of(name))
        return f"browser {hash_of(token).hex()}" if known else ""

    async def is_known(self, token: str) -> bool:
        """Whether any admin has signed in with this browser."""
        return is_token(token) and await store.is_known(self.pool, hash_of(token), None)

    async def remember(self, token: str, admin_id: UUID) -> str:
        """Record a sign-in; returns the cookie's token, a new one for a browser new to the admin."""
        if is_token(token) and await store.record_seen(self.pool, hash_of(token), admin_id):
            return token
        made = secrets.token_urlsafe(32)
        await store.insert(self.pool, hash_of(made), admin_id)
        return made

    async def forget(self, admin_id: UUID) -> None:
        """Forget all browsers of an admin."""
        await store.delete_all(self.pool, admin_id)


def is_token(text: str) -> bool:
    return 0 < len(text) <= MAX_LENGTH
