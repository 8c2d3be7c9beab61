"""Undoing an import whose newest rows all stay: it reaches the older ones, request by request."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from service.admin.actor import Actor
from service.admin.changes import record
from service.admin.errors import ChangedSinceError
from service.admin.imports import undo
from service.admin.imports.undo import undo_import
from service.domain.audit import AuditEntry
from service.store.audit import find_entry
from service.store.pool import Pool

OLD, NEW = 3, 30
"""Older rows that can be undone, and newer ones whose objects have changed since."""


class Rows:
    """An import with its rows; `undo_row` undoes the old ones only, a few in each request."""

    def __init__(self, pool: Pool, actor: Actor) -> None:
        self.pool = pool
        self.actor = actor
        self.tried: list[int] = []
        self.stays: set[int] = set()

    async def apply(self) -> AuditEntry:
        async with self.pool.acquire() as connection:
            values = {"name": "many.csv"}
            made = await record(connection, self.actor, "import.applied", "many.csv", after=values)
            part = Actor("ada", "admin", "web", part_of=made)
            for place in range(OLD + NEW):
                entry = await record(
                    connection,
                    part,
                    "organization.created",
                    uuid4(),
                    after={"name": f"Organization {place}"},
                )
                if place >= OLD:
                    self.stays.add(entry)
        found = await find_entry(self.pool, made)
        assert found is not None
        return found

    def reverse(self, entry: AuditEntry) -> Callable[[Actor], Awaitable[object]]:
        async def undo_row(actor: Actor) -> None:
            self.tried.append(entry.id)
            await asyncio.sleep(0.01)
            if entry.id in self.stays:
                raise ChangedSinceError
            async with self.pool.acquire() as connection:
                await record(
                    connection,
                    actor,
                    "organization.deleted",
                    entry.object_id,
                    before=entry.after,
                )

        return undo_row


async def test_each_request_goes_on_below_the_last_row_that_was_tried(
    pool: Pool, admin: Actor
) -> None:
    rows = Rows(pool, admin)
    entry = await rows.apply()
    first = await undo_import(pool, admin, entry, rows.reverse, seconds=0.1)
    assert first.is_unfinished
    assert first.undone == 0
    undone = 0
    for _ in range(OLD + NEW):
        done = await undo_import(pool, admin, entry, rows.reverse, seconds=0.1)
        undone += done.undone
        if not done.is_unfinished:
            break
    assert undone == OLD
    # Every row once, newest first.
    assert rows.tried == sorted(set(rows.tried), reverse=True)
    assert len(rows.tried) == OLD + NEW
    # The undo is over; a later one begins with the newest row again.
    await undo_import(pool, admin, entry, rows.reverse, seconds=0.0)
    assert rows.tried[-1] == rows.tried[0]


async def test_the_first_of_the_rows_that_stay_are_named_by_one_look_up(
    pool: Pool, admin: Actor
) -> None:
    rows = Rows(pool, admin)
    entry = await rows.apply()
    done = await undo_import(pool, admin, entry, rows.reverse)
    assert (done.undone, done.left, done.is_unfinished) == (OLD, NEW, False)
    newest = OLD + NEW - 1
    assert done.named == [
        f"Organization {newest - place} (changed since)" for place in range(undo.SHOWN)
    ]


async def test_an_undo_that_has_nothing_below_begins_at_the_top(pool: Pool, admin: Actor) -> None:
    rows = Rows(pool, admin)
    entry = await rows.apply()
    await undo_import(pool, admin, entry, rows.reverse, seconds=0.05)
    last = rows.tried[-1]
    await pool.execute(
        "UPDATE callgate.import_undos SET below = $1", last - len(rows.tried) - NEW - OLD
    )
    await undo_import(pool, admin, entry, rows.reverse, seconds=0.0)
    assert rows.tried[-1] == rows.tried[0]
    rows.stays.clear()
    await undo_import(pool, admin, entry, rows.reverse)
    await undo_import(pool, admin, entry, rows.reverse)
    with pytest.raises(ChangedSinceError, match="Nothing is left"):
        await undo_import(pool, admin, entry, rows.reverse)
