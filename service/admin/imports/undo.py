"""Undo an import: take back what its rows did, as far as each object is still as the row left it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from service.admin.actor import Actor
from service.admin.changes import RecordedChanges, record, transaction
from service.admin.errors import ChangedSinceError
from service.domain.audit import AuditEntry
from service.domain.errors import CallgateError
from service.domain.wording.audit import describe_change
from service.store.audit import find_names, list_audit
from service.store.pool import Pool

SECONDS = 20.0
"""How long one request undoes rows; the next one continues."""
AT_ONCE = 500

Reverse = Callable[[AuditEntry], Callable[[Actor], Awaitable[object]]]


@dataclass(frozen=True, slots=True)
class ImportUndone:
    """The number of rows that were undone, those that stay with the reason, whether more are to do."""

    audit_id: int
    undone: int
    left: Sequence[str]
    is_unfinished: bool


async def undo_import(
    pool: Pool, actor: Actor, entry: AuditEntry, reverse: Reverse
) -> ImportUndone:
    """Undo the rows of an import, newest first, each in a transaction of its own.

    A row whose object has changed since is left. The entries of the undo are parts of one entry.
    Raises `ForbiddenError`, and `ChangedSinceError` if there is nothing to undo.
    """
    actor.require_admin()
    ends_at = asyncio.get_running_loop().time() + SECONDS
    parts = [one async for one in list_parts(pool, entry.id) if one.undone_by is None]
    if not parts:
        raise ChangedSinceError("Nothing is left to undo of this import.")
    recorded = RecordedChanges.of(actor, entry)
    async with transaction(pool) as connection:
        made = await record(
            connection,
            recorded,
            "import.undone",
            entry.object_id,
            before=entry.after,
            after={"name": (entry.after or {}).get("name"), "to_undo": len(parts)},
        )
    undone, left = 0, list[str]()
    for part in parts:
        if asyncio.get_running_loop().time() > ends_at:
            return ImportUndone(made, undone, left, is_unfinished=True)
        reason = await undo_part(replace(actor, part_of=made), part, reverse)
        if reason is None:
            undone += 1
        else:
            names = await find_names(pool, [part.object_id])
            left.append(f"{describe_change(part, names).subject} ({reason})")
    return ImportUndone(made, undone, left, is_unfinished=False)


async def list_parts(pool: Pool, audit_id: int) -> AsyncIterator[AuditEntry]:
    """The entries of an import's rows, newest first."""
    last: int | None = None
    while found := await list_audit(pool, part_of=audit_id, before_id=last, limit=AT_ONCE):
        for one in found:
            yield one
        last = found[-1].id


async def undo_part(actor: Actor, part: AuditEntry, reverse: Reverse) -> str | None:
    """Undo one row; why not, or None if it is undone."""
    recorded = RecordedChanges.of(actor, part)
    try:
        await reverse(part)(recorded)
    except CallgateError as exc:
        return "changed since" if isinstance(exc, ChangedSinceError) else exc.message.rstrip(".")
    return None if recorded.entries else "changed since"
