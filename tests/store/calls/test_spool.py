"""The spool: entries survive, and a truncated or rejected one blocks no other."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import asyncpg
import orjson
import pytest

from policies import Effect
from service.access.corrected_calls import CorrectedCalls
from service.access.known_calls import KnownCalls
from service.domain.calls import CallEnd, NewCall
from service.domain.decisions import Decision, TraceEntry
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool, encode
from service.store.pool import Pool

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def blocked_call(call_id: str) -> NewCall:
    decision = Decision(
        uuid4(), Effect.DENY, "plan_ended", "plan", "fresh", (TraceEntry("plan", "abstain"),), NOW
    )
    return NewCall(
        vapi_call_id=call_id,
        organization_id=uuid4(),
        phone_number_id=None,
        vapi_phone_number_id="n",
        type="inboundPhoneCall",
        gate="event",
        decision=decision,
        started_at=NOW,
        control_url="https://x.vapi.ai/control",
        hangup_after_seconds=0.0,
    )


async def stored(pool: Pool) -> dict[str, str]:
    rows = await pool.fetch("SELECT vapi_call_id, status FROM callgate.calls")
    return {row["vapi_call_id"]: row["status"] for row in rows}


async def drained(spool: Spool, pool: Pool, count: int) -> None:
    task = asyncio.create_task(spool.background().run())
    async with asyncio.timeout(10):
        while len(await stored(pool)) < count or spool.waiting:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_calls_and_their_ends_arrive_with_their_hangups(tmp_path: Path, pool: Pool) -> None:
    spool = Spool(tmp_path / "spool", CallStore(pool))
    await spool.keep(Entry(call=blocked_call("a")))
    await spool.keep(Entry(call=blocked_call("a")))
    await spool.keep(Entry(call=blocked_call("b")))
    await spool.keep(Entry(end=CallEnd("b", NOW, "customer-ended-call", 3.0)))
    assert spool.path is not None
    assert spool.path.stat().st_mode & 0o077 == 0
    await drained(spool, pool, 2)
    assert await stored(pool) == {"a": "failed", "b": "failed"}
    assert await pool.fetchval("SELECT count(*) FROM callgate.pgqueuer") == 2
    ended = await pool.fetchval("SELECT ended_reason FROM callgate.calls WHERE vapi_call_id = 'b'")
    assert ended == "customer-ended-call"
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_the_file_of_a_process_that_is_gone_is_taken_over(tmp_path: Path, pool: Pool) -> None:
    gone = Spool(tmp_path / "spool", CallStore(pool))
    await gone.keep(Entry(call=blocked_call("a")))
    assert gone.path is not None
    gone.close()
    # The crash truncated the next line: it was never acknowledged.
    with gone.path.open("ab") as file:
        file.write(b'{"call": {"vapi_call_id": "b"')
    heir = Spool(tmp_path / "spool", CallStore(pool))
    await heir.drain()
    assert await stored(pool) == {"a": "failed"}
    assert not gone.path.exists()


async def test_records_of_a_process_that_is_gone_wait_too(tmp_path: Path, pool: Pool) -> None:
    """It was killed in an outage that still lasts: the next process tells of its records."""
    gone = Spool(tmp_path / "spool", CallStore(pool))
    for call_id in ("a", "b"):
        await gone.keep(Entry(call=blocked_call(call_id)))
    gone.close()
    heir = Spool(tmp_path / "spool", CallStore(pool))
    await pool.execute("ALTER TABLE callgate.calls RENAME TO away")
    for _ in range(2):
        with pytest.raises(asyncpg.UndefinedTableError):
            await heir.drain()
        assert heir.waiting == 2
    await pool.execute("ALTER TABLE callgate.away RENAME TO calls")
    await heir.keep(Entry(call=blocked_call("c")))
    assert heir.waiting == 3
    await heir.drain()
    assert heir.waiting == 0
    assert set(await stored(pool)) == {"a", "b", "c"}
    heir.close()


async def test_what_postgresql_will_never_take_is_put_aside(tmp_path: Path, pool: Pool) -> None:
    spool, known = Spool(tmp_path / "spool", CallStore(pool)), KnownCalls()
    spool.on_refused = CorrectedCalls(spool.calls, known).give_up
    known.unconfirmed["b"] = None
    for call in (blocked_call("a"), replace(blocked_call("b"), type="x\x00"), blocked_call("c")):
        await spool.keep(Entry(call=call))
    await drained(spool, pool, 2)
    assert set(await stored(pool)) == {"a", "c"}
    assert not known.unconfirmed, "it will never be compared with a stored decision"
    aside = tmp_path / "spool" / "refused"
    assert b'"b"' in aside.read_bytes()
    assert aside.stat().st_mode & 0o077 == 0
    spool.close()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_the_disk_does_not_take_whole_is_not_put_aside(tmp_path: Path) -> None:
    """An error lets the spool keep its file: half a record would be lost, and spoil the next one."""
    spool, aside = Spool(tmp_path, CallStore(cast("Pool", None))), tmp_path / "refused"
    line = encode(Entry(call=blocked_call("a")))
    aside.write_bytes(b"{}\n")
    with files_up_to(20), pytest.raises(OSError, match="File too large"):
        spool.quarantine(line)
    assert aside.read_bytes() == b"{}\n"
    spool.quarantine(line)
    assert aside.read_bytes() == b"{}\n" + line


async def test_a_full_disk_leaves_records_in_memory(tmp_path: Path, pool: Pool) -> None:
    """No caller is rejected for it: the records go to PostgreSQL as soon as it is back."""
    (tmp_path / "spool").write_text("in the way of the folder")
    spool = Spool(tmp_path / "spool", CallStore(pool))
    await spool.keep(Entry(call=blocked_call("a")))
    await spool.keep(Entry(end=CallEnd("a", NOW, "customer-ended-call", 3.0)))
    assert spool.waiting == 2
    await drained(spool, pool, 1)
    ended = await pool.fetchval("SELECT ended_reason FROM callgate.calls WHERE vapi_call_id = 'a'")
    assert ended == "customer-ended-call"
    spool.close()


async def test_what_postgresql_did_not_take_still_waits(tmp_path: Path, pool: Pool) -> None:
    spool = Spool(tmp_path / "spool", CallStore(pool))
    await spool.keep(Entry(call=blocked_call("a")))
    await pool.execute("ALTER TABLE callgate.calls RENAME TO away")
    task = asyncio.create_task(spool.background().run())
    await asyncio.sleep(0.3)
    assert spool.waiting == 1
    await pool.execute("ALTER TABLE callgate.away RENAME TO calls")
    async with asyncio.timeout(10):
        while spool.waiting:
            await asyncio.sleep(0.05)
    assert await stored(pool) == {"a": "failed"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    spool.close()


async def test_a_file_of_the_version_before_is_read(tmp_path: Path, pool: Pool) -> None:
    """Its lines lack the fields of decisions per organization and of proved ends."""
    end = CallEnd("a", NOW, "customer-ended-call", 3.0)
    call, over = (
        orjson.loads(encode(one)) for one in (Entry(call=blocked_call("a")), Entry(end=end))
    )
    del call["call"]["end_proved"]
    del over["end"]["organization_id"], over["end"]["proof"]
    folder = tmp_path / "spool"
    folder.mkdir()
    lines = b"".join(orjson.dumps(line) + b"\n" for line in (call, over))
    (folder / "00000000000000000001-old.jsonl").write_bytes(lines)
    spool = Spool(folder, CallStore(pool))
    await spool.drain()
    assert await stored(pool) == {"a": "failed"}
    ended = await pool.fetchval("SELECT ended_reason FROM callgate.calls WHERE vapi_call_id = 'a'")
    assert ended == "customer-ended-call"
    assert list(folder.iterdir()) == []
    spool.close()
