"""Use cases for API tokens, and their authentication."""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import TokenNotFoundError
from service.admin.requests.versions import check_version, version_of
from service.domain.errors import BadPeriodError, ForbiddenError
from service.domain.people import Role, Scope
from service.store.clock import get_now
from service.store.people import tokens as store
from service.store.people.tokens import ApiToken
from service.store.pool import UNAVAILABLE, Connection, Pool

PREFIX = "cg_"
MAX_LENGTH = 256
LENT_SECONDS = 60


def hash_of(token: str) -> bytes:
    """The stored hash of a token. Tokens are long and random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_version(token: ApiToken) -> str:
    """The version that a change replaces; using a token changes nothing of it."""
    return version_of({"id": token.id, "revoked_at": token.revoked_at})


def require_no_more(actor: Actor, scopes: Sequence[Scope], expires_at: datetime | None) -> None:
    """Raise `ForbiddenError` for a new token with more rights or a later end than the actor's."""
    if actor.scopes and not (scopes and actor.scopes.issuperset(scopes)):
        own = ", ".join(sorted(actor.scopes))
        raise ForbiddenError(
            f"A token with the scopes {own} cannot create a token with more scopes."
        )
    if actor.expires_at is not None and (expires_at is None or expires_at > actor.expires_at):
        raise ForbiddenError(
            "A token cannot create a token that expires later than itself (expires_at)."
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens in the database, and the bootstrap token of the environment."""

    pool: Pool
    bootstrap: str

    async def authenticate(self, token: str, source: str) -> Actor | None:
        """The actor of a token, or None. The bootstrap token works without PostgreSQL."""
        given = hash_of(token)
        if self.bootstrap and hmac.compare_digest(given, hash_of(self.bootstrap)):
            return Actor("admin-token", "admin", source)
        if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
            return None
        found = await store.find_live(self.pool, given)
        if found is None:
            return None
        known, is_stale = found
        if is_stale:
            # A read-only database must not refuse a token.
            with suppress(*UNAVAILABLE):
                await store.record_use(self.pool, known.id)
        return Actor(
            f"token:{known.name}",
            known.role,
            source,
            scopes=frozenset(known.scopes),
            expires_at=known.expires_at,
            token_id=known.id,
        )

    async def create(
        self,
        actor: Actor,
        *,
        name: str,
        role: Role,
        expires_at: datetime | None,
        scopes: Iterable[Scope] = (),
    ) -> tuple[ApiToken, str]:
        """Create a token; its secret is returned only here. No `scopes` are all areas.

        Raises `BadPeriodError`, or `ForbiddenError` for more rights than the actor's.
        """
        actor.require_admin()
        wanted = sorted(set(scopes))
        require_no_more(actor, wanted, expires_at)
        secret = PREFIX + secrets.token_urlsafe(32)
        async with transaction(self.pool) as connection:
            await require_live(connection, actor)
            if expires_at is not None and expires_at <= await get_now(connection):
                raise BadPeriodError("A token must expire in the future.")
            token_id = await store.insert(
                connection,
                name=name,
                token_hash=hash_of(secret),
                role=role,
                scopes=wanted,
                created_by=actor.name,
                expires_at=expires_at,
                parent_id=actor.token_id,
                admin_id=actor.admin_id,
            )
            await record(
                connection,
                actor,
                "token.created",
                token_id,
                after={
                    "name": name,
                    "role": role,
                    "scopes": wanted,
                    "expires_at": expires_at,
                },
            )
            created = await store.find(connection, token_id)
        assert created is not None
        return created, secret

    @asynccontextmanager
    async def lent(self, actor: Actor, name: str, scope: Scope) -> AsyncIterator[str]:
        """A viewer's token for one question to the running service, for `LENT_SECONDS` at most.

        It is deleted with the question and can change nothing, so the audit has no entry of it.
        """
        actor.require_admin()
        secret = PREFIX + secrets.token_urlsafe(32)
        async with transaction(self.pool) as connection:
            token_id = await store.insert(
                connection,
                name=name,
                token_hash=hash_of(secret),
                role="viewer",
                scopes=[scope],
                created_by=actor.name,
                expires_at=await get_now(connection) + timedelta(seconds=LENT_SECONDS),
                parent_id=actor.token_id,
                admin_id=actor.admin_id,
            )
        try:
            yield secret
        finally:
            await store.delete_lent(self.pool, token_id, actor.name, name)

    async def list_page(self, actor: Actor, *, after: UUID | None, limit: int) -> list[ApiToken]:
        """Tokens without their secrets."""
        actor.require_admin()
        return await store.list_page(self.pool, after=after, limit=limit)

    async def count(self, actor: Actor) -> int:
        """How many tokens there are, revoked and expired ones among them."""
        actor.require_admin()
        return await store.count(self.pool)

    async def get(self, actor: Actor, token_id: UUID) -> ApiToken:
        """One token. Raises `NotFoundError`."""
        actor.require_admin()
        found = await store.find(self.pool, token_id)
        if found is None:
            raise TokenNotFoundError
        return found

    async def revoke(self, actor: Actor, token_id: UUID) -> None:
        """Revoke a token and all that it created, at once; repeating it is no error."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            found = await store.find(connection, token_id)
            if found is None:
                raise TokenNotFoundError
            check_version(token_version(found))
            await record_revoked(connection, actor, await store.revoke(connection, token_id))


async def require_live(connection: Connection, actor: Actor) -> None:
    """Raise `ForbiddenError` if the creator of a token was revoked or disabled meanwhile."""
    await store.lock(connection)
    if not await store.is_live(connection, actor.token_id, actor.admin_id):
        raise ForbiddenError("Your token was revoked or your account disabled.")


async def revoke_of_admin(connection: Connection, actor: Actor, admin_id: UUID) -> int:
    """Revoke every token that an admin created, and what these created; returns how many.

    Who leaves still knows the secrets. Automation that must outlive an admin takes its tokens from
    the command line or from the bootstrap token.
    """
    await store.lock(connection)
    revoked = await store.revoke_of_admin(connection, admin_id)
    await record_revoked(connection, actor, revoked)
    return len(revoked)


async def record_revoked(connection: Connection, actor: Actor, revoked: Sequence[ApiToken]) -> None:
    """One audit entry a token."""
    for token in revoked:
        before = {
            "name": token.name,
            "role": token.role,
            "scopes": token.scopes,
            "created_by": token.created_by,
        }
        await record(connection, actor, "token.revoked", token.id, before=before)
