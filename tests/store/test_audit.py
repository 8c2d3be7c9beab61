"""The audit by any filter: matching entries, in order, from an index at any size."""

from datetime import datetime, timedelta

import pytest

from service.store import audit
from service.store.audit import list_actors, list_audit
from service.store.pool import Pool

MANY = """
INSERT INTO callgate.audit (at, actor, source, action, object_type, object_id, part_of)
SELECT now() - n * interval '1 minute', 'person ' || n % 200, 'source ' || n % 200,
    'action ' || n % 200, 'kind ' || n % 200, 'id ' || n % 200,
    CASE WHEN n > 19900 THEN 7 END
FROM generate_series($1::int, 1, -1) n
"""

FILTERS = ("object_id", "actor", "action", "object_type", "source", "part_of")


@pytest.fixture
async def many(pool: Pool) -> int:
    await pool.execute(MANY, 20_000)
    await pool.execute("ANALYZE callgate.audit")
    return 20_000


@pytest.mark.parametrize("name", FILTERS)
async def test_each_filter_has_its_index(pool: Pool, many: int, name: str) -> None:
    word = {"object_id": "id", "actor": "person", "object_type": "kind"}.get(name, name)
    value = 7 if name == "part_of" else f"{word} 7"
    found = await list_audit(pool, **{name: value}, limit=51)  # type: ignore[arg-type]
    assert len(found) == 51
    assert [entry.at for entry in found] == sorted((one.at for one in found), reverse=True)
    values = [value if each == name else None for each in FILTERS]
    plan = str(
        await pool.fetchval(
            f"EXPLAIN (FORMAT JSON) {audit.LIST_BY[FILTERS.index(name)]}",
            *(None, None, None, *values, 51),
        )
    )
    index = {"object_id": "id", "object_type": "kind", "part_of": "part"}.get(name, name)
    assert f"audit_{index}_idx" in plan
    assert "Seq Scan" not in plan


async def test_a_period_long_ago_is_found_at_once(pool: Pool, many: int) -> None:
    now: datetime = await pool.fetchval("SELECT now()")
    until = now - timedelta(minutes=19_000)
    found = await list_audit(pool, until=until, since=until - timedelta(minutes=3), limit=51)
    assert len(found) in (3, 4)
    plan = str(
        await pool.fetchval(
            f"EXPLAIN (FORMAT JSON) {audit.LIST}", None, None, until, *[None] * 6, 51
        )
    )
    assert "audit_at_idx" in plan
    assert "Seq Scan" not in plan


async def test_pages_follow_each_other_without_gap(pool: Pool, many: int) -> None:
    seen: list[int] = []
    before_id = None
    while True:
        page = await list_audit(pool, actor="person 3", before_id=before_id, limit=30)
        seen += [entry.id for entry in page]
        if len(page) < 30:
            break
        before_id = page[-1].id
    assert len(seen) == len(set(seen)) == many // 200


async def test_everybody_who_changed_anything_is_known(pool: Pool, many: int) -> None:
    found = await list_actors(pool, 500)
    assert len(found) == 200
    assert found == sorted(found)
