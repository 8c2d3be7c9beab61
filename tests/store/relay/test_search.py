"""Lists and counts of relayed messages: which ones, in which order, and along which index."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.domain.relay.messages import CallRelay, RelayFigures, RelayMessageState
from service.store.pool import Pool
from service.store.relay import search
from service.store.relay.search import RelayMessageFilter
from tests.support.relayed import add_messages

OWNER = UUID("11111111-1111-4111-8111-111111111111")
MANY = """
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type,
    body, size, received_at, attempts, due_at, done_at, outcome)
SELECT $1, 'msg_' || i, 'call-' || i / 40, 'hang', 'application/json', convert_to(repeat('x', 900),
    'UTF8'), 900, now() - make_interval(secs => 20000 - i), (i % 50 = 0)::integer, now(),
    CASE WHEN i <= 18000 THEN now() END,
    CASE WHEN i <= 100 THEN 'dropped' WHEN i <= 18000 THEN 'delivered' END
FROM generate_series(1, 20000) AS i
"""


async def test_a_message_is_found_in_its_state_and_order(pool: Pool) -> None:
    owner = str(OWNER)
    await add_messages(pool, owner, 3, call="a", outcome="delivered", ago=timedelta(hours=3))
    await add_messages(pool, owner, 2, call="a", attempts=2, error="Refused.")
    await add_messages(pool, owner, 1, call="b", ago=timedelta(hours=2))
    await add_messages(pool, owner, 1, outcome="dropped")
    await add_messages(pool, str(uuid4()), 5, call="a")
    wanted: dict[RelayMessageState | None, int] = {
        None: 7, "waiting": 3, "failed": 2, "delivered": 3, "dropped": 1, "expired": 0,
    }  # fmt: skip
    for state, count in wanted.items():
        filters = RelayMessageFilter(OWNER, state)
        found = await search.list_page(pool, filters, after=None, limit=50)
        assert len(found) == await search.count(pool, filters) == count
        assert state in (None, "waiting") or {one.state for one in found} <= {state}
        assert found == sorted(found, key=lambda one: (one.received_at, one.id), reverse=True)
    everything = await search.list_page(pool, RelayMessageFilter(OWNER), after=None, limit=50)
    paged = []
    place = None
    while page := await search.list_page(pool, RelayMessageFilter(OWNER), after=place, limit=2):
        paged += page
        place = page[-1].received_at, page[-1].id
    assert paged == everything
    assert await search.find(pool, OWNER, paged[0].id) == paged[0]
    assert await search.find(pool, uuid4(), paged[0].id) is None
    assert await search.get_figures(pool, OWNER) == RelayFigures(3, 2, 0, 1)
    calls = [(OWNER, "a"), (OWNER, "b"), (OWNER, "none"), (OWNER, "a")]
    assert await search.count_of_calls(pool, calls) == {
        (OWNER, "a"): CallRelay(delivered=3, waiting=2, failed=2, lost=0),
        (OWNER, "b"): CallRelay(delivered=0, waiting=1, failed=0, lost=0),
    }
    assert await search.count_of_calls(pool, []) == {}
    long_ago = datetime.now(UTC) - timedelta(days=9)
    assert await search.count_replayable(pool, OWNER, long_ago, None) == 3
    until = datetime.now(UTC) - timedelta(hours=4)
    assert await search.count_replayable(pool, OWNER, long_ago, until) == 0


@pytest.mark.parametrize(
    ("state", "call", "index"),
    [
        (None, None, "received_idx"),
        ("waiting", None, "_idx"),
        ("delivered", None, "received_idx"),
        ("dropped", None, "lost_idx"),
        ("expired", None, "lost_idx"),
        (None, "call-400", "done_idx"),
        ("waiting", "call-480", "call_idx"),
        ("delivered", "call-3", "done_idx"),
    ],
)
async def test_a_list_reads_along_an_index(
    pool: Pool, state: RelayMessageState | None, call: str | None, index: str
) -> None:
    await pool.execute(MANY, OWNER)
    await pool.execute("ANALYZE callgate.relay_messages")
    filters = RelayMessageFilter(OWNER, state, call)
    statement = search.WITH_CALLS.format(found=search.FOUND + filters.where + search.NEXT)
    rows = await pool.fetch(f"EXPLAIN {statement}", *filters.parameters, None, None, 51)
    plan = "\n".join(row[0] for row in rows)
    assert index in plan
    assert "Seq Scan on relay_messages" not in plan


async def test_calls_are_counted_along_their_indexes(pool: Pool) -> None:
    await pool.execute(MANY, OWNER)
    await pool.execute("ANALYZE callgate.relay_messages")
    calls = [f"call-{place}" for place in range(50)]
    rows = await pool.fetch(f"EXPLAIN {search.COUNT_OF_CALLS}", [OWNER] * len(calls), calls)
    plan = "\n".join(row[0] for row in rows)
    assert "done_idx" in plan
    assert "call_idx" in plan
    assert "Seq Scan" not in plan
