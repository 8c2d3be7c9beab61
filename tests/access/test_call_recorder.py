"""What a replica does for a call while PostgreSQL does not answer."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.domain.calls import CallEnd
from service.sandbox.server import SandboxVapi
from service.store.calls.spool import Entry
from service.store.calls.writer import REST_SECONDS
from service.store.pool import UNAVAILABLE, Pool
from service.store.roles import app_dsn
from tests.support.calls import AT, new_call, record
from tests.support.service import Replica, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import proxied


async def test_after_a_wait_in_vain_the_next_messages_do_not_wait(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """The rest ends on time, however many messages ask meanwhile."""
    async with proxied(app_dsn(dsn)) as proxy:
        async with replica(settings_for(tmp_path, vapi.base_url), proxy.dsn) as callgate:
            recorder = callgate.service.access.gate.recorder
            await recorder.reload("a-call")
            with proxy.fault("stall"):
                with pytest.raises(UNAVAILABLE):
                    await recorder.reload("a-call")
                until = recorder.writer.resting_until
                assert not recorder.writer.available
                began = time.monotonic()
                for _ in range(3):
                    with pytest.raises(UNAVAILABLE):
                        await recorder.reload("a-call")
                assert time.monotonic() - began < REST_SECONDS / 2
                assert recorder.writer.resting_until == until
            proxy.cut()


async def test_an_end_that_meets_the_former_owner_of_its_call_is_recorded_for_the_new_one(
    callgate: Replica, pool: Pool
) -> None:
    """Vapi gives the call to the other organization while the report of its end is under way."""
    first, second = [
        await pool.fetchval(
            "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id", name
        )
        for name in ("First", "Second")
    ]
    recorder = callgate.service.access.gate.recorder
    claim = new_call("a", organization_id=second)
    await record(pool, new_call("a", organization_id=first), claim)
    over = AT + timedelta(seconds=9)
    await recorder.record_end(CallEnd("a", over, "customer-ended-call", organization_id=second))
    assert await pool.fetchval("SELECT ended_at FROM callgate.calls") is None
    assert await recorder.calls.change_owner(claim)
    await recorder.recent.look()
    await recorder.spool.drain()
    row = await pool.fetchrow("SELECT organization_id, ended_at, status FROM callgate.calls")
    assert tuple(row or ()) == (second, over, "ended")


async def test_an_end_does_not_wait_for_a_spool_that_takes_long_to_empty(
    callgate: Replica, pool: Pool
) -> None:
    """Nor does it matter whether the call's own record waits there."""
    await callgate.service.background.stop("spool")
    owner = await pool.fetchval(
        "INSERT INTO callgate.organizations (name) VALUES ('A') RETURNING id"
    )
    recorder = callgate.service.access.gate.recorder
    waiting = new_call("waiting", organization_id=owner)
    bare = replace(waiting, decision=replace(waiting.decision, trace=()))
    over = AT + timedelta(seconds=9)
    await record(pool, new_call("elsewhere", organization_id=owner))
    await recorder.spool.keep(Entry(call=replace(waiting, acted=True)))
    for call_id, call in (("elsewhere", None), ("waiting", bare)):
        end = CallEnd(call_id, over, "customer-ended-call", 9.0, organization_id=owner, call=call)
        await recorder.record_end(end)
    assert recorder.spool.waiting == 1
    ended = "SELECT count(*) FROM callgate.calls WHERE ended_at = $1 AND status = 'ended'"
    assert await pool.fetchval(ended, over) == 2
    await recorder.spool.drain()
    assert await pool.fetchval(ended, over) == 2
    assert await pool.fetchval("SELECT count(*) FROM callgate.calls") == 2
