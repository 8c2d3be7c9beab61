"""The relay's spool: order, bounds, and files of processes that are gone."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from service.domain.call_records.details import CallDetails
from service.domain.relay.messages import KeptMessage
from service.store.calls.privacy.forgetting import forget_number
from service.store.pool import Pool
from service.store.relay.spool import RelaySpool, RelaySpoolFullError
from tests.support.calls import new_call, record
from tests.support.service import eventually

OWNER = UUID(int=1)
BODIES = "SELECT body FROM callgate.relay_messages ORDER BY received_at, id"
BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def spool(pool: Pool, folder: Path, most_bytes: int = 10**6) -> RelaySpool:
    return RelaySpool(folder, pool, most_bytes, lambda: datetime.now(UTC))


def kept(text: str, call: str = "a") -> KeptMessage:
    return KeptMessage(OWNER, f"msg_{text}", call, "hang", "application/json", text.encode())


async def bodies(pool: Pool) -> list[str]:
    return [row["body"].decode() for row in await pool.fetch(BODIES)]


async def test_messages_arrive_in_their_order_unclaimed_and_once(
    pool: Pool, tmp_path: Path
) -> None:
    found, told = spool(pool, tmp_path), []
    found.on_drained = lambda: told.append(1)
    assert found.must_precede((OWNER, "a"))
    await found.drain()
    assert not found.must_precede((OWNER, "a"))
    for text in ("1", "2", "2", "3"):
        await found.keep(kept(text))
    assert found.must_precede((OWNER, "a"))
    assert not found.must_precede((OWNER, "b"))
    await found.drain()
    assert await bodies(pool) == ["1", "2", "3"]
    assert not found.must_precede((OWNER, "a"))
    assert (found.on_disk, found.held_bytes, len(told)) == (0, 0, 1)
    claims = "SELECT count(*) FROM callgate.relay_messages WHERE claimed_by IS NOT NULL"
    assert await pool.fetchval(claims) == 0
    found.close()


async def test_the_files_of_a_dead_process_come_first(pool: Pool, tmp_path: Path) -> None:
    gone = spool(pool, tmp_path)
    await gone.keep(kept("1"))
    assert gone.path is not None
    with gone.path.open("ab") as file:
        file.write(b'{"organization_id": "cut short by a')
    gone.close()
    found = spool(pool, tmp_path)
    await found.keep(kept("2"))
    await found.drain()
    assert await bodies(pool) == ["1", "2"]
    found.close()


async def test_a_full_spool_refuses_also_what_a_dead_process_left(
    pool: Pool, tmp_path: Path
) -> None:
    gone = spool(pool, tmp_path)
    await gone.keep(kept("x" * 300))
    gone.close()
    found = spool(pool, tmp_path, 1500)
    found.measure()
    with pytest.raises(RelaySpoolFullError):
        await found.keep(kept("y" * 300))
    assert not found.calls
    await found.drain()
    await found.keep(kept("y" * 300))
    found.close()


async def test_a_disk_that_refuses_is_a_full_spool(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    found = spool(pool, tmp_path / "spool")
    with pytest.raises(RelaySpoolFullError):
        await found.keep(kept("1"))
    assert (found.on_disk, found.held_bytes) == (0, 0)


async def test_a_message_that_postgresql_refuses_blocks_no_other(
    pool: Pool, tmp_path: Path
) -> None:
    found = spool(pool, tmp_path)
    for text in ("1", "bad\x00", "2"):
        await found.keep(kept(text))
    await found.drain()
    assert await bodies(pool) == ["1", "2"]
    assert not found.calls
    found.close()


async def test_messages_of_a_caller_who_was_forgotten_meanwhile_do_not_arrive(
    pool: Pool, tmp_path: Path
) -> None:
    for call, number in (("a", "+4915112345678"), ("b", "+4915112345679")):
        await record(pool, new_call(call, organization_id=OWNER, details=CallDetails(number)))
    found = spool(pool, tmp_path)
    for text, call in (("1", "a"), ("2", "b"), ("3", ""), ("4", "not recorded")):
        await found.keep(kept(text, call))
    async with pool.acquire() as connection, connection.transaction():
        await forget_number(connection, "+4915112345678")
        draining = asyncio.create_task(found.drain())
        await eventually(lambda: pool.fetchval(BLOCKED))
    await draining
    assert await bodies(pool) == ["2", "3", "4"]
    assert not found.calls
    found.close()
