"""The database's history gives the directory's entries as they were, whatever changed since."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from service.store.organizations.directory import DirectoryEntry, read_some
from service.store.organizations.past_entries import find_entry_at
from service.store.pool import Pool

PLAN = """
INSERT INTO callgate.plans (organization_id, code, status, current_period_end, limits)
VALUES ($1, $2, 'active', $3, '{"minutes": 5}')
ON CONFLICT (organization_id) DO UPDATE SET code = $2, current_period_end = $3
"""
TRIAL = """
INSERT INTO callgate.trials (organization_id, starts_at, ends_at) VALUES ($1, now(), 'infinity')
"""
OVERRIDE = """
INSERT INTO callgate.overrides (organization_id, effect, reason, author, expires_at)
VALUES ($1, 'deny', 'fraud', 'Ada', now() + interval '1 day')
"""
NUMBER = """
INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, answer_with)
VALUES ($1, 'n-1', '{"assistantId": "a-9"}')
"""
MOVE = """
UPDATE callgate.phone_numbers SET organization_id = $2, label = 'moved' WHERE organization_id = $1
"""
RELEASE = "UPDATE callgate.phone_numbers SET released_at = now() WHERE organization_id = $1"
ASSISTANT = (
    "INSERT INTO callgate.assistants (vapi_assistant_id, organization_id) VALUES ('a-1', $1)"
)
RENAME = """
UPDATE callgate.organizations SET name = 'Mill', attributes = '{"seats": [1, {"a": null}]}',
    handling = '{"when_access_ends": "hang_up"}' WHERE id = $1
"""

CHOOSE = """
INSERT INTO callgate.organization_policies (organization_id, name, mode, settings)
VALUES ($1, 'quota', $2, $3)
ON CONFLICT (organization_id, name) DO UPDATE SET mode = $2, settings = $3
"""


async def add(pool: Pool, name: str) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id", name
    )
    return found


async def test_each_change_can_be_taken_back(pool: Pool, dsn: str) -> None:
    one, two = await add(pool, "One"), await add(pool, "Two")
    owner = await asyncpg.connect(dsn)
    seen: list[tuple[datetime, dict[UUID, DirectoryEntry]]] = []

    async def note() -> None:
        at = await pool.fetchval("SELECT clock_timestamp()")
        seen.append((at, await read_some(pool, [one, two])))

    def run(statement: str, *given: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: owner.execute(statement, *given)

    end = datetime.fromisoformat("2027-01-31T12:00:00+01:00")
    try:
        await note()
        for change in (
            run(PLAN, one, "pro", end),
            run(PLAN, one, "max", None),
            run(TRIAL, one),
            run(OVERRIDE, one),
            run(NUMBER, one),
            run(ASSISTANT, one),
            run(RENAME, one),
            run(CHOOSE, one, "shadow", None),
            run(CHOOSE, one, None, '{"minutes": 5}'),
            run(MOVE, one, two),
            run("DELETE FROM callgate.organization_policies"),
            run("DELETE FROM callgate.plans WHERE organization_id = $1", one),
            run("DELETE FROM callgate.overrides WHERE organization_id = $1", one),
            run("UPDATE callgate.assistants SET organization_id = $1", two),
            run(RELEASE, two),
            run("UPDATE callgate.trials SET ends_at = now() WHERE organization_id = $1", one),
        ):
            await change()
            await note()
    finally:
        await owner.close()
    for at, entries in seen:
        for owner_id, entry in seen[-1][1].items():
            past = find_entry_at(entry, at)
            assert past is not None
            assert replace(past, changes=()) == replace(entries[owner_id], changes=())
    begun = await pool.fetchval(
        "SELECT created_at - interval '1 s' FROM callgate.organizations LIMIT 1"
    )
    assert find_entry_at(seen[-1][1][one], begun) is None


async def test_what_decides_nothing_leaves_no_trace(pool: Pool) -> None:
    one = await add(pool, "One")
    await pool.execute(NUMBER, one)
    count = "SELECT count(*) FROM callgate.entitlement_history"
    before = await pool.fetchval(count)
    await pool.execute("UPDATE callgate.organizations SET forward_url = 'https://a.example'")
    await pool.execute("UPDATE callgate.phone_numbers SET updated_at = now()")
    assert await pool.fetchval(count) == before
