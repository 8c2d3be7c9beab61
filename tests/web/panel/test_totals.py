"""Lists say how many there are in all, page after page, and an empty one says what would be in it."""

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
