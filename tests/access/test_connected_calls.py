"""That a call is connected is written beside the replies, once its row may be in PostgreSQL."""

from pathlib import Path
from uuid import UUID

import pytest

from service.access.connected_calls import ConnectedCalls
from service.domain.call_records.details import CallDetails
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool
from service.store.pool import Pool
from tests.support.calls import new_call, record

STORED = "SELECT vapi_call_id, connected, assistant_id FROM callgate.calls ORDER BY vapi_call_id"


@pytest.fixture
def connected(pool: Pool, tmp_path: Path) -> ConnectedCalls:
    calls = CallStore(pool)
    return ConnectedCalls(calls, Spool(tmp_path, calls))


async def test_only_the_calls_own_record_learns_of_it(
    pool: Pool, connected: ConnectedCalls
) -> None:
    await record(
        pool,
        new_call("a", organization_id=UUID(int=1)),
        new_call("b", organization_id=UUID(int=1)),
        new_call("c", details=CallDetails(assistant_id="known", connected=None)),
    )
    connected.note("a", UUID(int=1), "assistant-1")
    connected.note("b", UUID(int=2), "assistant-2")
    connected.note("c", None, None)
    connected.note("gone", None, None)
    await connected.write()
    assert not connected.waiting
    assert [tuple(row) for row in await pool.fetch(STORED)] == [
        ("a", True, "assistant-1"),
        ("b", False, None),
        ("c", True, "known"),
    ]


async def test_it_waits_for_a_record_in_the_spool(pool: Pool, connected: ConnectedCalls) -> None:
    await connected.spool.keep(Entry(call=new_call("a")))
    connected.note("a", None, "assistant-1")
    await connected.write()
    assert list(connected.waiting) == ["a"]
    await connected.spool.drain()
    await connected.write()
    assert [tuple(row) for row in await pool.fetch(STORED)] == [("a", True, "assistant-1")]
