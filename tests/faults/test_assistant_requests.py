"""An assistant-request is answered in time under every failure, and its answer is recorded."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from service.sandbox.server import SandboxVapi
from tests.support.process import ServiceProcess
from tests.support.service import Replica, Start, eventually

PLAN = {"code": "pro", "status": "active"}
IN_TIME = 2.5
END_WAITERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@asynccontextmanager
async def records_locked(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """PostgreSQL answers but accepts no record of a call: the slowest case."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE callgate.calls IN ACCESS EXCLUSIVE MODE")
            yield connection
    finally:
        await connection.close()


async def granted_number(callgate: Replica, vapi: SandboxVapi) -> str:
    """A paying organization's number; its calls carry the decision that let them in."""
    owner = await callgate.add_organization(handling={"decision_metadata": True})
    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    number_id = str(vapi.add_number(provider="vapi")["id"])
    await callgate.add_number(owner, number_id, answer_with={"assistantId": "a-1"})
    return number_id


def decision_in(answer: Any) -> str:
    assert answer.status == 200
    assert answer.json["assistantId"] == "a-1"
    return str(answer.json["assistantOverrides"]["metadata"]["callgate_decision_id"])


async def recorded(callgate: Replica, call_id: str) -> Any:
    return await eventually(lambda: callgate.call(call_id), 20)


async def ask_many(
    callgate: Replica, vapi: SandboxVapi, number_id: str, count: int
) -> dict[str, str]:
    """Assistant-requests at once: the decision that each answer carries, by call; all in time."""
    messages = [vapi.live_call(number_id, kind="assistant-request") for _ in range(count)]

    async def ask(message: Any) -> tuple[str, str]:
        began = time.monotonic()
        answer = await callgate.post(message)
        assert time.monotonic() - began < IN_TIME
        return message["message"]["call"]["id"], decision_in(answer)

    return dict(await asyncio.gather(*map(ask, messages)))


async def test_postgresql_is_slow(callgate: Replica, vapi: SandboxVapi, dsn: str) -> None:
    number_id = await granted_number(callgate, vapi)
    message = vapi.live_call(number_id, kind="assistant-request")
    call_id = message["message"]["call"]["id"]
    ended = {"message": {**message["message"], "type": "end-of-call-report"}}
    ended["message"]["endedReason"] = "customer-ended-call"
    async with records_locked(dsn):
        began = time.monotonic()
        decision = decision_in(await callgate.post(message))
        assert time.monotonic() - began < 1
        # The call is over before its record is there.
        end = asyncio.create_task(callgate.post(ended))
        await asyncio.sleep(0.3)
    assert (await end).status == 200
    call = await recorded(callgate, call_id)
    assert (call["decision"]["id"], call["gate"], call["blocked"]) == (decision, "request", False)

    async def closed() -> bool:
        return bool((await callgate.call(call_id))["status"] == "ended")

    await eventually(closed, 20)


async def test_many_at_once_while_postgresql_is_slow(
    callgate: Replica, vapi: SandboxVapi, dsn: str
) -> None:
    number_id = await granted_number(callgate, vapi)
    answered: dict[str, str] = {}
    async with records_locked(dsn):
        for _ in range(6):
            answered |= await ask_many(callgate, vapi, number_id, 30)
            await asyncio.sleep(0.5)
    for call_id, decision in answered.items():
        assert (await recorded(callgate, call_id))["decision"]["id"] == decision

    async def notes() -> Any:
        files = callgate.service.access.spool.folder.glob("*.jsonl")
        return (
            not any(path.read_bytes() for path in files)
            and not callgate.service.access.spool.waiting
        )

    await eventually(notes)


async def test_neither_postgresql_nor_the_disk_takes_a_record(
    callgate: Replica, vapi: SandboxVapi, dsn: str
) -> None:
    number_id = await granted_number(callgate, vapi)
    folder = callgate.service.access.spool.folder
    async with records_locked(dsn):
        assert not folder.exists()
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("in the way")
        answered: dict[str, str] = {}
        for _ in range(3):
            answered |= await ask_many(callgate, vapi, number_id, 5)
            await asyncio.sleep(1)
    for call_id, decision in answered.items():
        assert (await recorded(callgate, call_id))["decision"]["id"] == decision
    folder.unlink()


async def test_a_process_that_is_killed_right_after_its_answers_loses_no_record(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    process = ServiceProcess(vapi, tmp_path / "data", environment={"DATABASE_URL": dsn})
    await process.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = Replica(None, session, process.url)  # type: ignore[arg-type]
            number_id = await granted_number(client, vapi)
            async with records_locked(dsn) as connection:
                answered = await ask_many(client, vapi, number_id, 20)
                # Their connections are proved now, and records are on their way: answered at once.
                answered |= await ask_many(client, vapi, number_id, 20)
                await process.kill()
                # What it sent must not arrive after its death.
                await connection.execute(END_WAITERS)
            await process.start()
            for call_id, decision in answered.items():
                assert (await recorded(client, call_id))["decision"]["id"] == decision
    finally:
        await process.end()


async def test_the_answer_of_the_first_replica_is_the_answer_of_the_second(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Vapi asks again after a time-out, and another replica answers; meanwhile the client paid."""
    one, two = await start_replica(), await start_replica()
    owner = await one.add_organization(blocked_message="Closed.")
    number_id = vapi.add_number(provider="vapi")["id"]
    await one.add_number(owner, number_id, answer_with={"assistantId": "a-1"})

    async def known(paid: bool) -> bool:
        found = two.service.access.directory.find((number_id,), ())
        return found is not None and (found.organization.plan is not None) == paid

    await eventually(lambda: known(False))
    message = vapi.live_call(number_id, kind="assistant-request")
    assert (await one.post(message)).json == {"error": "Closed."}
    await one.api("PUT", f"/organizations/{owner}/plan", PLAN)
    await eventually(lambda: known(True))
    assert (await two.post(message)).json == {"error": "Closed."}
    fresh = vapi.live_call(number_id, kind="assistant-request")
    assert (await two.post(fresh)).json == {"assistantId": "a-1"}
