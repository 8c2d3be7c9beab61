"""Lists say how many there are in all, page after page, and an empty one says what would be in it."""

import re
from uuid import UUID

from service.sandbox.server import SandboxVapi
from service.web.panel.imports.pages import IMPORTS_PER_PAGE
from tests.support.people import add_admin
from tests.support.service import Replica
from tests.support.visiting import Visitor, visiting

REGISTER = """
INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id) VALUES ($1, $2)
"""
ADD_ADMINS = """
INSERT INTO callgate.admins (name, name_key, role, created_by)
SELECT 'Admin ' || n, 'admin ' || n, 'viewer', 'test' FROM generate_series(1, $1) AS n
"""
ADD_TOKENS = """
INSERT INTO callgate.api_tokens (name, token_hash, role, created_by)
SELECT 'token ' || n, decode(md5(n::text), 'hex'), 'viewer', 'test' FROM generate_series(1, $1) AS n
"""
ADD_UNKNOWN = """
INSERT INTO callgate.unknown_numbers (vapi_phone_number_id, ignored_at, ignored_by)
SELECT 'pn-' || n, CASE WHEN n <= 3 THEN now() END, CASE WHEN n <= 3 THEN 'ada' END
FROM generate_series(1, $1) AS n
"""
ADD_IMPORTS = """
INSERT INTO callgate.imports (kind, created_by, source, file_name)
SELECT $1, 'ada', 'web', n || '.csv' FROM generate_series(1, $2) AS n
"""
ADD_CHANGES = """
INSERT INTO callgate.webhook_changes (phone_number_id, level, vapi_id, cause, actor, source, fields)
SELECT $1, 'phone_number', 'pn', 'drift', 'ada', 'web', '[]' FROM generate_series(1, $2)
"""


async def total_of(visitor: Visitor, path: str) -> str:
    """The sentence above a list."""
    shown = await visitor.get(path)
    assert shown.status == 200
    return shown.body.partition('id="total">')[2].partition("<")[0]


async def test_admins_and_tokens_are_counted_over_all_pages(callgate: Replica) -> None:
    pool = callgate.service.pool
    async with visiting(callgate) as ada:
        assert await total_of(ada, "/people") == "1 admin"
        assert "No tokens yet" in (await ada.get("/tokens")).text
        await add_admin(pool, "Zoe", "viewer")
        await pool.execute(ADD_ADMINS, 60)
        await pool.execute(ADD_TOKENS, 60)
        assert await total_of(ada, "/people") == "62 admins"
        assert await total_of(ada, "/tokens") == "60 tokens"
        last = await pool.fetchval("SELECT id FROM callgate.admins WHERE name = 'Admin 8'")
        assert await total_of(ada, f"/people?after={last}") == "62 admins"
        end = await pool.fetchval("SELECT id FROM callgate.admins ORDER BY name_key DESC LIMIT 1")
        assert "No more admins" in (await ada.get(f"/people?after={end}")).text


async def test_open_and_ignored_unknown_numbers_are_counted_apart(callgate: Replica) -> None:
    async with visiting(callgate, "viewer") as vic:
        assert "No unknown numbers" in (await vic.get("/unknown-numbers")).text
        assert "No ignored numbers" in (await vic.get("/unknown-numbers?ignored=true")).text
        await callgate.service.pool.execute(ADD_UNKNOWN, 60)
        assert await total_of(vic, "/unknown-numbers") == "57 unknown numbers"
        assert await total_of(vic, "/unknown-numbers?ignored=true") == "3 ignored numbers"


async def test_a_number_that_is_registered_meanwhile_is_not_counted(callgate: Replica) -> None:
    """A call under way may note it a moment after it was registered; the list leaves it out."""
    pool, owner = callgate.service.pool, await callgate.add_organization()
    async with visiting(callgate) as ada:
        await pool.execute(REGISTER, owner, "pn-5")
        await pool.execute(ADD_UNKNOWN, 6)
        assert await total_of(ada, "/unknown-numbers") == "2 unknown numbers"


async def test_imports_are_counted_by_their_kind(callgate: Replica) -> None:
    pool = callgate.service.pool
    async with visiting(callgate) as ada:
        for place in ("organizations", "numbers"):
            assert "No imports yet" in (await ada.get(f"/{place}/import")).text
        await pool.execute(ADD_IMPORTS, "organizations", IMPORTS_PER_PAGE + 5)
        await pool.execute(ADD_IMPORTS, "phone_numbers", 1)
        assert await total_of(ada, "/organizations/import") == f"{IMPORTS_PER_PAGE + 5} imports"
        assert await total_of(ada, "/numbers/import") == "1 import"


async def test_the_changes_of_a_number_are_counted_and_paged(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization("Bakery")
    number = await callgate.add_number(owner, vapi.add_number(provider="vapi")["id"])
    path = f"/numbers/{number['id']}"
    async with visiting(callgate, "viewer") as vic:
        assert await total_of(vic, path) == "1 change"
        assert await links_to_more(vic, path) == []
        await callgate.service.pool.execute(ADD_CHANGES, UUID(number["id"]), 44)
        assert await total_of(vic, path) == "45 changes"
        seen, place = 0, path
        while place:
            shown = await vic.get(place)
            seen += shown.body.partition('id="rows"')[2].count("<details>")
            place = next(iter(await links_to_more(vic, place)), "")
        assert seen == 45


async def links_to_more(visitor: Visitor, path: str) -> list[str]:
    return re.findall(r'id="more"><a[^>]*href="/admin([^"]+)"', (await visitor.get(path)).body)


async def test_policies_and_sessions_are_counted(callgate: Replica) -> None:
    async with visiting(callgate) as ada:
        assert await total_of(ada, "/policies") == "7 policies"
        assert await total_of(ada, "/account") == "1 session"
