"""Several replicas on one database: they share the work, do none of it twice, and outlive each other."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from service.reconcile.steps import webhook_fields
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.process import ServiceProcess
from tests.support.reconciling import OWNER, THEIRS, register_in_sync
from tests.support.service import Replica, Start, eventually

URL = "http://127.0.0.1:9/api/vapi/webhook"
FORMER = {"url": THEIRS, "headers": {"X-Theirs": "keep"}, "timeoutSeconds": 7}
TOGETHER = {"vapi_webhook_url": URL, "callgate_reconcile_max_changes": 1.0}

# As an import leaves numbers behind: never configured, ordered by an admin, one after the other.
ORDERED = """
UPDATE callgate.webhook_states s SET state = 'pending', original = NULL, last_applied = NULL,
    ordered_by = 'ada', ordered_from = 'cli', next_attempt_at = n.created_at
FROM callgate.phone_numbers n WHERE n.id = s.phone_number_id
"""
CLAIMED = """
SELECT n.vapi_phone_number_id FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id WHERE s.claimed_until > now()
"""
LEASES_OVER = """
UPDATE callgate.webhook_states SET claimed_until = now() - interval '1 second'
WHERE claimed_until IS NOT NULL
"""
NOT_IN_SYNC = "SELECT count(*) FROM callgate.webhook_states WHERE state <> 'in_sync'"
SWEEPS = "SELECT started_at, finished_at, outcome FROM callgate.sweeps ORDER BY id"


async def register(replica: Replica, vapi: SandboxVapi, count: int) -> list[str]:
    """Numbers that are in sync at Vapi and here."""
    desired = replica.service.reconciling.reconciler.number_pass.desired
    await replica.add_number(await replica.add_organization(), vapi.add_number()["id"])
    ids = vapi.add_numbers(count, server=webhook_fields.merged(desired.of(OWNER), None))
    await register_in_sync(replica.service.pool, desired, ids)
    return ids


def patches(vapi: SandboxVapi, vapi_ids: list[str]) -> list[int]:
    return [len(vapi.requests(f"PATCH /phone-number/{vapi_id}")) for vapi_id in vapi_ids]


def url_of(vapi: SandboxVapi, vapi_id: str) -> Any:
    return ((vapi.numbers.find(vapi_id) or {}).get("server") or {}).get("url")


async def all_in_sync(pool: Pool, seconds: float = 30) -> None:
    async def none_left() -> bool:
        return not await pool.fetchval(NOT_IN_SYNC)

    await eventually(none_left, seconds)


@pytest.mark.parametrize("trigger", ["a sweep", "an import"])
async def test_both_work_and_no_number_is_repaired_twice(
    start_replica: Start, vapi: SandboxVapi, trigger: str
) -> None:
    one = await start_replica(**TOGETHER, callgate_reconcile_interval=0)
    two = await start_replica(**TOGETHER, callgate_reconcile_interval=0)
    ids = await register(one, vapi, 60)
    done_before = [replica.service.reconciling.metrics.repairs.total() for replica in (one, two)]
    for vapi_id in ids:
        vapi.edit_number(vapi_id, server=dict(FORMER))
    vapi.fail("PATCH /phone-number/*", latency=0.02)
    if trigger == "a sweep":
        report = (await one.api("POST", "/reconcile", {})).json
        assert (report["drifted"], report["repaired"], report["failed"]) == (60, 60, 0)
    else:
        await one.service.pool.execute(ORDERED)
    await all_in_sync(one.service.pool)
    assert patches(vapi, ids) == [1] * 60
    assert {url_of(vapi, vapi_id) for vapi_id in ids} == {URL}
    done = [replica.service.reconciling.metrics.repairs.total() for replica in (one, two)]
    each = [now - before for now, before in zip(done, done_before, strict=True)]
    assert sum(each) == 60
    assert min(each) >= 6, each


async def test_two_replicas_asked_to_sweep_at_once_write_once(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one, two = [await start_replica(**TOGETHER, callgate_reconcile_interval=0) for _ in range(2)]
    ids = await register(one, vapi, 30)
    for vapi_id in ids:
        vapi.edit_number(vapi_id, server=dict(FORMER))
    answers = await asyncio.gather(
        *(replica.api("POST", "/reconcile", {}) for replica in (one, two, one, two))
    )
    assert {answer.status for answer in answers} == {200}
    await all_in_sync(one.service.pool)
    assert patches(vapi, ids) == [1] * 30


async def test_one_of_them_sweeps_per_interval(start_replica: Start, vapi: SandboxVapi) -> None:
    """Never two at once, never one too soon; the remaining replica goes on when the other stops."""
    one = await start_replica(**TOGETHER, callgate_reconcile_interval=0.4)
    two = await start_replica(**TOGETHER, callgate_reconcile_interval=0.4)
    pool = two.service.pool
    await register(one, vapi, 5)
    vapi.fail("GET /v2/phone-number", latency=0.1)
    before = len(await pool.fetch(SWEEPS))
    await asyncio.sleep(3)
    swept = (await pool.fetch(SWEEPS))[before:]
    assert 3 <= len(swept) <= 8
    for former, latter in itertools.pairwise(swept):
        assert (latter["started_at"] - former["finished_at"]).total_seconds() >= 0.35
    await one.service.stop()
    before = len(await pool.fetch(SWEEPS))
    two.service.background.wake("sweeps")

    async def goes_on() -> bool:
        return len(await pool.fetch(SWEEPS)) >= before + 2

    await eventually(goes_on)


async def test_a_sweep_whose_replica_died_is_taken_over_once_its_lease_is_over(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    replica = await start_replica(**TOGETHER, callgate_reconcile_interval=0.2)
    pool = replica.service.pool
    await register(replica, vapi, 2)
    await pool.execute(
        "UPDATE callgate.reconciliation SET claim = claim + 1, next_sweep_at = now(), "
        "claimed_until = now() + interval '60 seconds'"
    )
    await asyncio.sleep(0.3)
    before = len(await pool.fetch(SWEEPS))
    await asyncio.sleep(1)
    assert len(await pool.fetch(SWEEPS)) == before
    await pool.execute("UPDATE callgate.reconciliation SET claimed_until = now()")
    replica.service.background.wake("sweeps")

    async def goes_on() -> bool:
        return len(await pool.fetch(SWEEPS)) > before

    await eventually(goes_on)


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_replica_killed_in_the_middle_of_repairs_loses_nothing(
    start_replica: Start, vapi: SandboxVapi, dsn: str, tmp_path: Path, lost: str
) -> None:
    """A real process and SIGKILL: what it had in hand is done by another once its leases are over,
    and the former webhooks are still known."""
    survivor = await start_replica(**TOGETHER, callgate_reconcile_interval=0)
    desired = survivor.service.reconciling.reconciler.number_pass.desired
    pool = survivor.service.pool
    await survivor.service.background.stop("reconcile")
    ids = vapi.add_numbers(24, server=dict(FORMER))
    ours = await register_in_sync(pool, desired, ids)
    await pool.execute(ORDERED)
    # The first eight go through; what comes then is held until the process is dead.
    stalls = [
        vapi.fail_next(f"PATCH /phone-number/{vapi_id}", stall=1.5, done=lost == "answer")
        for vapi_id in ids[8:]
    ]
    doomed = ServiceProcess(
        vapi,
        tmp_path / "doomed",
        environment={
            "DATABASE_URL": dsn,
            "VAPI_WEBHOOK_URL": URL,
            "CALLGATE_RECONCILE_INTERVAL": "0",
        },
    )
    await doomed.start()

    async def in_the_middle() -> list[str]:
        held = [row["vapi_phone_number_id"] for row in await pool.fetch(CLAIMED)]
        begun = await pool.fetchval("SELECT count(*) FROM callgate.webhook_changes")
        # Recorded is not sent yet: the process dies only when all of them are with Vapi.
        sent = sum(stall.hits for stall in stalls) == 8
        return held if sent and begun == 16 and set(held) <= set(ids[8:]) else []

    held = await eventually(in_the_middle, 20)
    await doomed.kill()
    assert {row["vapi_phone_number_id"] for row in await pool.fetch(CLAIMED)} == set(held)
    done = [vapi_id for vapi_id in ids if url_of(vapi, vapi_id) == URL]
    assert 0 < len(done) < len(ids)
    await asyncio.sleep(1.6)
    vapi.faults.clear()

    other = await start_replica(**TOGETHER, callgate_reconcile_interval=0)

    async def only_the_held_are_left() -> bool:
        left = await pool.fetchval(NOT_IN_SYNC)
        return bool(left == len(held))

    await eventually(only_the_held_are_left, 20)
    if lost == "answer":
        await pool.execute(LEASES_OVER)
        other.service.background.wake("reconcile")
    await all_in_sync(pool, 12)
    assert {url_of(vapi, vapi_id) for vapi_id in ids} == {URL}
    for vapi_id, times in zip(ids, patches(vapi, ids), strict=True):
        # Only a change that was lost on its way is made again.
        assert times == 1 or (times == 2 and vapi_id in held and lost == "request")
    unconfirmed = "SELECT count(*) FROM callgate.webhook_changes WHERE applied_at IS NULL"
    # The lost ones stay in the history as what they are: never seen to arrive.
    assert await pool.fetchval(unconfirmed) == (len(held) if lost == "request" else 0)
    for vapi_id in (held[0], done[0]):
        answer = await other.api("DELETE", f"/phone-numbers/{ours[vapi_id]}")
        assert answer.status == 204
        assert (vapi.numbers.find(vapi_id) or {})["server"] == FORMER
