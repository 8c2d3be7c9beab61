"""Use cases for sessions: find one by its cookie, and end sessions."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import SessionNotFoundError
from service.admin.people.admins import get
from service.admin.people.tokens import MAX_LENGTH, hash_of
from service.domain.people import Admin, Client, Session, key_of
from service.store.people import admins
from service.store.people import sessions as store
from service.store.pool import UNAVAILABLE, Connection, Pool

Check = Callable[[Session, str], Awaitable[bool]]
"""Asks the sign-in provider whether a session with this cookie goes on."""


async def start_session(connection: Connection, admin: Admin, client: Client) -> str:
    """Start a session for an authenticated admin. Returns its token, which is always new: an existing
    cookie never becomes a session."""
    token = secrets.token_urlsafe(32)
    session_id = await store.insert(connection, hash_of(token), admin.id, client)
    await admins.record_sign_in(connection, admin.id)
    await record(
        connection,
        Actor(admin.name, admin.role, "web"),
        "session.started",
        session_id,
        after={"admin": admin.name, "address": client.address, "user_agent": client.user_agent},
    )
    return token


def audited(session: Session) -> Mapping[str, Any]:
    """A session as audited."""
    return {
        "admin": session.name,
        "address": session.address,
        "user_agent": session.user_agent,
    }


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions in the database: each can be listed and ended at once, in every replica."""

    pool: Pool
    check: Check | None = None

    async def find(self, token: str) -> Session | None:
        """The live session of a cookie's token, or None."""
        if not token or len(token) > MAX_LENGTH:
            return None
        found = await store.find_by_hash(self.pool, hash_of(token))
        if found is None:
            return None
        session, is_stale, is_due = found
        if is_due and self.check is not None:
            if not await self.check(session, token):
                return None
            # Its answer may have changed the role, and waiting for it takes time.
            found = await store.find_by_hash(self.pool, hash_of(token))
            if found is None:
                return None
            session, is_stale, _ = found
        if is_stale:
            # A read-only database must not end a session.
            with suppress(*UNAVAILABLE):
                await store.record_seen(self.pool, session.id)
        return session

    async def end(self, session: Session, actor: Actor) -> None:
        """Sign out."""
        async with transaction(self.pool) as connection:
            if await store.end(connection, session.id):
                before = audited(session)
                await record(connection, actor, "session.ended", session.id, before=before)

    async def leave_notice(self, session_id: UUID, notice: Mapping[str, Any]) -> None:
        """Leave a notice for the next page of this session."""
        await store.update_notice(self.pool, session_id, notice)

    async def take_notice(self, session_id: UUID) -> None:
        await store.clear_notice(self.pool, session_id)

    async def list_of(self, actor: Actor, admin_id: UUID) -> list[Session]:
        """The live sessions of an admin: admins may read all, others only their own."""
        admin = await admins.find(self.pool, admin_id)
        if admin is None or key_of(admin.name) != key_of(actor.name):
            actor.require_admin()
        return await store.list_of_admin(self.pool, admin_id)

    async def revoke(self, actor: Actor, session_id: UUID, *, own_admin_id: UUID | None) -> None:
        """End a session: admins may end all, others only their own. Raises `NotFoundError`."""
        async with transaction(self.pool) as connection:
            found = await store.find(connection, session_id)
            if found is None or found.admin_id != own_admin_id:
                actor.require_admin()
            if found is None or not await store.end(connection, session_id):
                raise SessionNotFoundError
            before = audited(found)
            await record(connection, actor, "session.revoked", session_id, before=before)

    async def revoke_all(
        self, actor: Actor, admin_id: UUID, *, own_admin_id: UUID | None, but: UUID | None = None
    ) -> int:
        """End every session of an admin except `but`; returns their number."""
        if admin_id != own_admin_id:
            actor.require_admin()
        async with transaction(self.pool) as connection:
            admin = await get(connection, admin_id)
            ended = await store.end_all(connection, admin_id, but=but)
            if ended:
                before = {"name": admin.name, "sessions": ended}
                await record(connection, actor, "admin.sessions_revoked", admin_id, before=before)
        return ended
