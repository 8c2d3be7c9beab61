"""Shared by all changes: one transaction with its audit entry, then a refresh of the directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import structlog

from service.admin.actor import Actor
from service.admin.errors import ChangedSinceError
from service.admin.requests.idempotency import mark_applied
from service.domain.audit import ACTIONS, AuditEntry
from service.store.audit import record_audit
from service.store.pool import Connection, Pool, dump_json

ACQUIRE_SECONDS = 5.0
FRESHEN_SECONDS = 2.0

RESTORE_REMARK = "former_webhook_secret"
"""A remark in the entries of a number; it appears once its webhook was replaced."""

Freshen = Callable[[UUID], Awaitable[None]]
"""Makes this replica's access directory re-read an organization after a commit."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecordedChanges(Actor):
    """An actor whose audit entries are collected in `entries`, newest last.

    `undoes` is the entry that the change reverses; the change fails if the object changed since.
    """

    undoes: AuditEntry | None = None
    entries: list[int] = field(default_factory=list, compare=False)

    @classmethod
    def of(cls, actor: Actor, undoes: AuditEntry | None = None) -> "RecordedChanges":
        return cls(
            actor.name,
            actor.role,
            actor.source,
            undoes,
            scopes=actor.scopes,
            expires_at=actor.expires_at,
            token_id=actor.token_id,
            admin_id=actor.admin_id,
            part_of=actor.part_of,
        )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection with an open transaction. Raises `TimeoutError` after `ACQUIRE_SECONDS`.

    The request's idempotency key, if it has one, is marked in the same transaction.
    """
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        await mark_applied(connection)
        yield connection


async def record(
    connection: Connection,
    actor: Actor,
    action: str,
    object_id: UUID | str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Write the audit entry of a change, in the change's own transaction, and return its id.

    `action` is in `ACTIONS`.

    Raises `ChangedSinceError` for an undo when the object has changed since the entry.
    """
    undoes = undone_by(actor)
    if undoes is not None and state_of(stored_form(before)) != state_of(undoes.after):
        raise ChangedSinceError
    made = await record_audit(
        connection,
        actor=actor.name,
        source=actor.source,
        action=action,
        object_type=ACTIONS[action].kind,
        object_id=object_id,
        before=before,
        after=after,
        undoes=None if undoes is None else undoes.id,
        part_of=actor.part_of,
    )
    if isinstance(actor, RecordedChanges):
        actor.entries.append(made)
    return made


def undone_by(actor: Actor) -> AuditEntry | None:
    """The entry that a change of this actor reverses; None: it is no undo."""
    return actor.undoes if isinstance(actor, RecordedChanges) else None


def stored_form(values: Mapping[str, Any] | None) -> object:
    """Values as the audit returns them."""
    return None if values is None else orjson.loads(dump_json(values))


def state_of(values: object) -> object:
    """Audited values without the remark on a secret, which is no state, and without absent ones."""
    if not isinstance(values, Mapping):
        return values
    return {
        name: value
        for name, value in values.items()
        if name != RESTORE_REMARK and value is not None
    }


async def leave_to_notifications(_organization_id: UUID) -> None:
    """Do nothing: the change's notification refreshes the directories of all replicas."""


async def freshen_all(
    freshen: Freshen, organization_ids: Iterable[UUID], seconds: float = FRESHEN_SECONDS
) -> None:
    """Refresh the directory after a commit, so that the next call sees the change.

    Never fails: the transaction's notification refreshes the directory a moment later.
    """
    for organization_id in set(organization_ids):
        try:
            async with asyncio.timeout(seconds):
                await freshen(organization_id)
        except Exception as exc:
            log.warning(
                "directory.refresh_failed",
                organization_id=organization_id,
                error=type(exc).__name__,
            )
