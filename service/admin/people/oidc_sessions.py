"""Sessions of people whom the sign-in provider no longer knows end within an hour.

The refresh token of a session is encrypted with a key that derives from the session's cookie. Only
its hash is stored, so the database alone opens nothing, and only a request with the cookie asks.
"""

import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import GrantEndedError, LastAdminError
from service.admin.people.admins import set_role
from service.admin.people.oidc_provider import OidcProvider, Refreshed
from service.admin.people.oidc_role_sources import with_roles
from service.admin.people.oidc_roles import role_of
from service.domain.errors import UnavailableError
from service.domain.people import Role, Session, SignInRefusedError
from service.store.people import admins, sessions
from service.store.people import oidc_sessions as store
from service.store.pool import Connection, Pool

PROVIDER = Actor("sign-in provider", "admin", "web")
HEADER = {"alg": "dir", "enc": "A256GCM"}

log = structlog.get_logger()


def key_of(cookie: str) -> OctKey:
    """The key of a session's refresh token."""
    return OctKey.import_key(hmac.digest(cookie.encode(), b"refresh token", hashlib.sha256))


def encrypt(refresh_token: str, cookie: str) -> bytes:
    return jwe.encrypt_compact(HEADER, refresh_token.encode(), key_of(cookie)).encode()


def decrypt(kept: bytes, cookie: str) -> str:
    """Raises `JoseError`."""
    plaintext = jwe.decrypt_compact(kept.decode(), key_of(cookie)).plaintext
    return (plaintext or b"").decode()


@dataclass(frozen=True, slots=True)
class OidcSessions:
    """Asks the provider whether a session's person may still sign in."""

    pool: Pool
    provider: OidcProvider

    async def check(self, session: Session, cookie: str) -> bool:
        """Whether a session goes on. The provider is asked once in 45 minutes.

        While it does not answer, the session goes on for up to 12 hours.
        """
        held = await store.claim(self.pool, session.id)
        if held is None:
            return True
        try:
            answer = await self.provider.refresh(decrypt(held.refresh_token, cookie))
            claims = await self.claims_of(answer)
        except UnavailableError:
            return not held.is_overdue or await self.end(session, "provider_away")
        except (GrantEndedError, SignInRefusedError, JoseError) as exc:
            return await self.end(session, type(exc).__name__)
        if claims is not None and not await self.follow(session, claims):
            return False
        async with transaction(self.pool) as connection:
            await store.confirm(connection, session.id, encrypt(answer.refresh_token, cookie))
        return True

    async def claims_of(self, answer: Refreshed) -> Mapping[str, Any] | None:
        """The claims with the role; None where they do not come, so that the role stays.

        The grant holds even if userinfo does not answer, and its refresh token, which often works
        once, must be kept.
        """
        if answer.claims is None:
            return None
        try:
            return await with_roles(self.provider, answer.claims, answer.access_token)
        except UnavailableError:
            return None

    async def follow(self, session: Session, claims: Mapping[str, Any]) -> bool:
        """Follow the role at the provider; without one, every session of the person ends."""
        ours = self.provider.client
        role: Role | None = role_of(claims, ours.role_claim) or ours.default_role
        async with transaction(self.pool) as connection:
            await admins.lock(connection)
            admin = await admins.find(connection, session.admin_id)
            if admin is None or admin.subject != f"{ours.issuer}|{claims['sub']}" or role is None:
                await sessions.end_all(connection, session.admin_id)
                await self.record_end(connection, session, "no_role")
                return False
            with suppress(LastAdminError):
                await set_role(connection, PROVIDER, admin, role)
        return True

    async def end(self, session: Session, reason: str) -> bool:
        """End one session; always False."""
        async with transaction(self.pool) as connection:
            if await sessions.end(connection, session.id):
                await self.record_end(connection, session, reason)
        return False

    async def record_end(self, connection: Connection, session: Session, reason: str) -> None:
        log.info("session.ended_by_provider", admin_id=session.admin_id, reason=reason)
        before = {"admin": session.name, "reason": reason}
        await record(connection, PROVIDER, "session.revoked", session.id, before=before)
