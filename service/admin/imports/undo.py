"""Undo an import: take back what its rows did, as far as each object is still as the row left it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from service.admin.actor import Actor
from service.admin.changes import RecordedChanges, record, transaction
from service.admin.errors import ChangedSinceError
from service.domain.audit import AuditEntry
from service.domain.errors import CallgateError
from service.domain.wording.audit import describe_change
from service.store.audit import find_names, list_audit
from service.store.imports import undos
from service.store.pool import Pool

SECONDS = 20.0
"""How long one request undoes rows; the next one continues."""
AT_ONCE = 500
SHOWN = 10
"""So many of the rows that stay are named."""

Reverse = Callable[[AuditEntry], Callable[[Actor], Awaitable[object]]]


@dataclass(frozen=True, slots=True)
class ImportUndone:
    """How many rows were undone and how many stay, and whether more are to do.

    `named` are the first of those that stay, each with the reason.
    """

    audit_id: int
    undone: int
    left: int
    named: Sequence[str]
    is_unfinished: bool


@dataclass(frozen=True, slots=True)
class LeftPart:
    """A row that stays as it is, and why."""

    part: AuditEntry
    reason: str


async def undo_import(
    pool: Pool, actor: Actor, entry: AuditEntry, reverse: Reverse, seconds: float = SECONDS
) -> ImportUndone:
    """Undo the rows of an import, newest first, each in a transaction of its own.

    A row whose object has changed since is left. Out of time, the next undo continues below the last
    row that was tried, so that rows that stay hold up no other. The entries of the undo are parts of
    one entry. Raises `ForbiddenError`, and `ChangedSinceError` if there is nothing to undo.
    """
    actor.require_admin()
    ends_at = asyncio.get_running_loop().time() + seconds
    below = await undos.find_below(pool, entry.id)
    parts = await list_open(pool, entry.id, below)
    if not parts and below is not None:
        parts = await list_open(pool, entry.id, None)
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
    actor = replace(actor, part_of=made)
    left, tried = list[LeftPart](), 0
    for part in parts:
        if tried and asyncio.get_running_loop().time() > ends_at:
            break
        reason = await undo_part(actor, part, reverse)
        tried += 1
        if reason is not None:
            left.append(LeftPart(part, reason))
    is_unfinished = tried < len(parts)
    if is_unfinished:
        await undos.put_below(pool, entry.id, parts[tried - 1].id)
    else:
        await undos.delete_below(pool, entry.id)
    named = await name_parts(pool, left[:SHOWN])
    return ImportUndone(made, tried - len(left), len(left), named, is_unfinished)


async def name_parts(pool: Pool, left: Sequence[LeftPart]) -> list[str]:
    """Rows by the names of their objects, each with the reason why it stays."""
    names = await find_names(pool, [one.part.object_id for one in left])
    return [f"{describe_change(one.part, names).subject} ({one.reason})" for one in left]


async def list_open(pool: Pool, audit_id: int, below: int | None) -> list[AuditEntry]:
    """The entries of an import's rows that are not undone, newest first, from below an entry on."""
    parts = list[AuditEntry]()
    while found := await list_audit(pool, part_of=audit_id, before_id=below, limit=AT_ONCE):
        parts += [one for one in found if one.undone_by is None]
        below = found[-1].id
    return parts


async def undo_part(actor: Actor, part: AuditEntry, reverse: Reverse) -> str | None:
    """Undo one row; why not, or None if it is undone."""
    recorded = RecordedChanges.of(actor, part)
    try:
        await reverse(part)(recorded)
    except CallgateError as exc:
        return "changed since" if isinstance(exc, ChangedSinceError) else exc.message.rstrip(".")
    return None if recorded.entries else "changed since"
