"""What every change has in common: one transaction with its audit entry, then a fresh directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog

from service.admin.actor import Actor
from service.store.audit import record_audit
from service.store.pool import Connection, Pool

ACQUIRE_SECONDS = 5.0
FRESHEN_SECONDS = 2.0

Freshen = Callable[[UUID], Awaitable[None]]
"""Lets this replica's access directory read an organization again, after a commit."""

log = structlog.get_logger()


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection with an open transaction; waiting for one does not take for ever."""
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        yield connection


async def record(
    connection: Connection,
    actor: Actor,
    action: str,
    object_type: str,
    object_id: UUID | str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write the audit entry of a change, in the change's own transaction."""
    await record_audit(
        connection,
        actor=actor.name,
        source=actor.source,
        action=action,
        object_type=object_type,
        object_id=object_id,
        before=before,
        after=after,
    )


async def freshen_all(freshen: Freshen, organization_ids: Iterable[UUID]) -> None:
    """Let the directory follow a change that is committed, so that the next call sees it.

    Never fails: the notification of the same transaction brings the change a moment later.
    """
    for organization_id in set(organization_ids):
        try:
            async with asyncio.timeout(FRESHEN_SECONDS):
                await freshen(organization_id)
        except Exception as exc:
            log.warning(
                "directory.refresh_failed",
                organization_id=organization_id,
                error=type(exc).__name__,
            )
