"""Every connection to PostgreSQL cut at once, as in a failover: listening and hanging up go on."""

import asyncio
import time

import asyncpg

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually

PLAN = {"code": "pro", "status": "active"}
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def cut(dsn: str) -> int:
    """Terminate every other session of the database."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(CUT))
    finally:
        await connection.close()


async def prepare(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    organization_id = await callgate.add_organization()
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(organization_id, number_id)
    return organization_id, number_id


async def test_a_change_made_elsewhere_arrives_within_a_second(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    one, two = await start_replica(), await start_replica()
    organization_id, number_id = await prepare(one, vapi)
    await eventually(lambda: asyncio.sleep(0, number_id in two.service.access.directory.numbers))
    for plan, status in ((PLAN, 200), (None, 403)):
        path = f"/organizations/{organization_id}/plan"
        await one.api("PUT" if plan else "DELETE", path, plan)
        began = time.monotonic()

        async def answered(wanted: int = status) -> bool:
            return (await two.post(vapi.live_call(number_id))).status == wanted

        await eventually(answered, 5)
        assert time.monotonic() - began < 1


async def test_a_plan_ends_by_itself(callgate: Replica, vapi: SandboxVapi) -> None:
    """No event reports it: the instant is in the directory."""
    organization_id, number_id = await prepare(callgate, vapi)
    now = callgate.service.access.directory.now()
    ends_at = now.timestamp() + 1.5
    trial = {"ends_at": now.fromtimestamp(ends_at, now.tzinfo).isoformat()}
    await callgate.api("PUT", f"/organizations/{organization_id}/trial", trial)
    assert (await callgate.post(vapi.live_call(number_id))).status == 200
    await asyncio.sleep(
        max(0, ends_at - callgate.service.access.directory.now().timestamp()) + 0.05
    )
    answer = await callgate.post(vapi.live_call(number_id))
    assert (answer.status, answer.json["reason"]) == (403, "trial_expired")


async def test_after_a_cut_changes_arrive_and_calls_are_hung_up(
    start_replica: Start, vapi: SandboxVapi, dsn: str
) -> None:
    one, two = await start_replica(), await start_replica()
    organization_id, number_id = await prepare(one, vapi)
    await eventually(lambda: asyncio.sleep(0, number_id in two.service.access.directory.numbers))
    assert await cut(dsn) > 0
    # Written while no connection listens: the re-read after the gap brings it.
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO callgate.plans (organization_id, code, status) VALUES ($1, 'pro', 'active')",
        organization_id,
    )
    await connection.close()

    async def passes() -> bool:
        return (await two.post(vapi.live_call(number_id))).status == 200

    await eventually(passes, 8)
    await eventually(lambda: asyncio.sleep(0, one.service.access.worker.alive), 8)
    await one.api("DELETE", f"/organizations/{organization_id}/plan")
    message = vapi.live_call(number_id)
    assert (await one.post(message)).status == 403
    call_id = message["message"]["call"]["id"]
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 8)


async def test_a_cut_in_the_middle_of_a_burst_loses_no_answer(
    callgate: Replica, vapi: SandboxVapi, dsn: str
) -> None:
    _, number_id = await prepare(callgate, vapi)
    messages = [vapi.live_call(number_id) for _ in range(60)]
    posting = [asyncio.create_task(callgate.post(message)) for message in messages]
    await asyncio.sleep(0.02)
    await cut(dsn)
    answers = await asyncio.gather(*posting)
    assert {answer.status for answer in answers} == {403}

    async def all_dead() -> bool:
        calls = vapi.calls
        return all(not calls[message["message"]["call"]["id"]].live for message in messages)

    await eventually(all_dead, 20)

    async def all_recorded() -> bool:
        found = await callgate.api("GET", "/calls?limit=100")
        return found.status == 200 and len(found.json["items"]) == len(messages)

    await eventually(all_recorded, 20)


async def test_a_failover_to_a_server_that_takes_no_writes_yet(
    callgate: Replica, vapi: SandboxVapi, dsn: str
) -> None:
    """Reading works and writing does not: calls are decided and ended, and recorded afterwards."""
    _, number_id = await prepare(callgate, vapi)
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.execute(CUT)
    message = vapi.live_call(number_id)
    call_id = message["message"]["call"]["id"]
    assert (await callgate.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 8)
    ended = {"message": {**message["message"], "type": "end-of-call-report"}}
    assert (await callgate.post(ended)).status == 403
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await connection.execute(CUT)
    await connection.close()

    async def recorded() -> bool:
        found = await callgate.api("GET", f"/calls?vapi_call_id={call_id}")
        return (
            found.status == 200
            and bool(found.json["items"])
            and bool(found.json["items"][0]["ended_at"])
        )

    await eventually(recorded, 20)
