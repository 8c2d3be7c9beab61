"""Blocked and cut calls end on two replicas although a worker, a process or a row is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.access.enforcement.hangup_worker import NAME
from service.access.rulings import RESTART_SECONDS
from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from service.store.calls.hangups import FIRST_CLAIM_SECONDS, OVERDUE_SECONDS
from tests.support.partial_faults import Traffic, changed, traffic
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually
from tests.support.tcp_proxy import named

CONTROL = "POST */control"
LOST = ("DELETE FROM callgate.pgqueuer", "DELETE FROM callgate.calls")
CLAIMS_LOST = "DELETE FROM callgate.call_claims"
AT_ONCE_SECONDS = FIRST_CLAIM_SECONDS + OVERDUE_SECONDS - 0.5
"""Sooner than any sweep begins the first round of a call."""
SECONDS = 10.0
"""A blocked call ends within ten seconds under any single fault."""


@pytest.fixture
async def trial(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Traffic]:
    async with traffic(vapi, dsn, tmp_path) as found:
        yield found


async def begin(trial: Traffic, number: str, status: int = 403) -> tuple[SandboxCall, Any]:
    """A call whose first message the first replica answers."""
    message = trial.vapi.live_call(number)
    assert (await trial.replicas[0].post(message)).status == status
    return trial.vapi.calls[message["message"]["call"]["id"]], message


async def over(call: SandboxCall, seconds: float = SECONDS) -> None:
    await eventually(lambda: asyncio.sleep(0, not call.live), seconds)


def sent(trial: Traffic, call: SandboxCall) -> int:
    """How many commands for a call reached Vapi."""
    return sum(one.path.endswith(f"{call.id}/control") for one in trial.vapi.requests())


async def begin_and_command(trial: Traffic) -> SandboxCall:
    """A blocked call whose first command reaches Vapi at once."""
    call, _ = await begin(trial, trial.blocked)
    await eventually(lambda: asyncio.sleep(0, sent(trial, call)), AT_ONCE_SECONDS)
    return call


async def state_of(replica: Replica, call: SandboxCall) -> Any:
    return ((await replica.call(call.id)) or {}).get("hangup") or {}


async def commanded(trial: Traffic, call: SandboxCall) -> None:
    """Wait until the first command is recorded."""

    async def recorded() -> bool:
        return bool((await state_of(trial.replicas[0], call)).get("attempts"))

    await eventually(recorded)


async def workers_alive(trial: Traffic, *, alive: bool) -> None:
    """Wait until each worker knows that its connection works, or does not."""

    async def known() -> bool:
        return all(one.service.access.worker.alive is alive for one in trial.replicas)

    await eventually(known, 20)


async def wait_for_restarts() -> None:
    """Wait until messages of a blocked call start its hang-up again."""
    await asyncio.sleep(RESTART_SECONDS + 0.1)


@pytest.mark.parametrize("harm", ["stall", "black_hole"])
async def test_calls_end_while_only_the_workers_connections_are_lost(
    trial: Traffic, harm: Any
) -> None:
    """Each gets its first command at once, from memory. Vapi takes it and does nothing, so a second
    round is needed."""
    with ExitStack() as stack:
        for way in trial.ways:
            assert any(named(NAME)(one) for one in way.connections)
            stack.enter_context(way.fault(harm, named(NAME)))
        trial.vapi.fail(CONTROL, lie=True, times=3)
        calls = [await begin_and_command(trial) for _ in range(3)]
        for call in calls:
            await over(call)
        await workers_alive(trial, alive=False)
    await workers_alive(trial, alive=True)


async def test_two_sweeps_at_once_send_one_command(trial: Traffic) -> None:
    trial.vapi.fail(CONTROL, lie=True, times=1)
    call, _ = await begin(trial, trial.blocked)
    await commanded(trial, call)
    pool = trial.replicas[0].service.pool
    await pool.execute("DELETE FROM callgate.pgqueuer")
    await pool.execute("UPDATE callgate.calls SET hangup_due_at = now() - interval '1 minute'")
    sweeps = [one.service.access.sweep for one in trial.replicas]
    await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
    await over(call)
    assert sent(trial, call) == 2, "the one that Vapi took and did not execute, and one of a sweep"


async def test_one_command_and_at_once_where_nothing_is_lost(trial: Traffic) -> None:
    call, _ = await begin(trial, trial.blocked)
    await over(call, 2)

    async def confirmed() -> Any:
        return (await state_of(trial.replicas[0], call)) == {"state": "confirmed", "attempts": 1}

    await eventually(confirmed)
    assert [one.call_id for one in trial.vapi.hangups] == [call.id]


async def test_a_blocked_call_whose_row_a_failover_lost_is_recorded_again_and_ends(
    trial: Traffic,
) -> None:
    trial.vapi.fail(CONTROL, lie=True)
    call, message = await begin(trial, trial.blocked)
    await commanded(trial, call)
    before = await trial.replicas[0].call(call.id)
    for statement in LOST:
        await trial.replicas[0].service.pool.execute(statement)
    trial.vapi.faults.clear()
    await wait_for_restarts()
    assert call.live
    answer = await trial.replicas[0].post(changed(message, "conversation-update"))
    assert answer.json["decision_id"] == before["decision"]["id"]
    await over(call)

    async def recorded() -> Any:
        return await trial.replicas[1].call(call.id)

    again = await eventually(recorded)
    for name in ("id", "reason", "basis", "determined_by", "effect"):
        assert again["decision"][name] == before["decision"][name]
    assert (again["blocked"], again["organization_id"]) == (True, before["organization_id"])


async def test_a_cut_call_that_still_talks_ends_whichever_replica_hears_it(trial: Traffic) -> None:
    first, second = trial.replicas
    call, message = await begin(trial, trial.paying, 200)
    assert (await second.post(message)).status == 200
    owner = (await first.call(call.id))["organization_id"]
    handling = {"when_access_ends": "hang_up"}
    await first.api("PATCH", f"/organizations/{owner}", {"handling": handling})
    trial.vapi.fail(CONTROL, lie=True)
    await first.api("DELETE", f"/organizations/{owner}/plan")
    await commanded(trial, call)
    # Vapi did not find the call for a while, and it was believed to be over.
    await first.service.pool.execute(LOST[0])
    await first.service.pool.execute(
        "UPDATE callgate.calls SET hangup_state = 'confirmed', status = 'ended', ended_at = now(),"
        " ended_reason = 'not-found', hangup_claimed_until = NULL"
    )
    trial.vapi.faults.clear()
    known = second.service.access.gate.recorder.known
    await eventually(lambda: asyncio.sleep(0, call.id in known.cut))
    await wait_for_restarts()
    assert call.live
    await second.post(changed(message, "conversation-update"))
    await over(call)

    async def proved() -> Any:
        return (await second.call(call.id))["ended_reason"] == "assistant-ended-call"

    await eventually(proved)


async def test_killed_between_the_record_and_the_attempt_another_replica_hangs_up(
    trial: Traffic, dsn: str, tmp_path: Path
) -> None:
    process = ServiceProcess(trial.vapi, tmp_path / "data", environment={"DATABASE_URL": dsn})
    await process.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = Replica(None, session, process.url)  # type: ignore[arg-type]
            trial.vapi.fail("GET /call*", latency=0.9, times=1)
            message = trial.vapi.live_call(trial.blocked)
            call = trial.vapi.calls[message["message"]["call"]["id"]]
            assert (await client.post(message)).status == 403
            await process.kill()
        assert call.live
        began = time.monotonic()
        await over(call)
        assert time.monotonic() - began < SECONDS
    finally:
        await process.end()


async def test_a_404_of_a_young_call_stops_no_command_and_proves_no_end(trial: Traffic) -> None:
    trial.vapi.switchboard.appears_after = 2.5
    call, _ = await begin(trial, trial.blocked)
    await over(call, 2.0)
    await commanded(trial, call)
    assert (await state_of(trial.replicas[0], call))["state"] == "pending"

    async def confirmed() -> Any:
        return (await trial.replicas[0].call(call.id))["ended_reason"] == "assistant-ended-call"

    await eventually(confirmed, 15)


@pytest.mark.parametrize("lost", [(*LOST, CLAIMS_LOST), (CLAIMS_LOST,)])
async def test_a_contested_call_whose_rows_a_failover_lost_is_recorded_again_with_its_claim(
    trial: Traffic, lost: tuple[str, ...]
) -> None:
    """The row of the call alone may be there again: its replica looks for what it recorded."""
    first = trial.replicas[0]
    call, message = await begin(trial, trial.paying, 200)
    forged = changed(message, "status-update", phoneNumber={"id": trial.blocked})
    forged["message"]["call"] = {**message["message"]["call"], "phoneNumberId": trial.blocked}
    assert (await first.post(forged)).status == 403
    before = await first.call(call.id)
    for statement in lost:
        await first.service.pool.execute(statement)
    await wait_for_restarts()
    assert (await first.post(forged)).status == 403

    async def recorded() -> Any:
        return await first.call(call.id)

    again = await eventually(recorded)
    assert again["organization_id"] == before["organization_id"]
    assert again["decision"]["id"] == before["decision"]["id"]
    claims = "SELECT count(*) FROM callgate.call_claims"
    await eventually(lambda: first.service.pool.fetchval(claims))
    assert call.live
