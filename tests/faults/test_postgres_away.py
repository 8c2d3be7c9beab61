"""PostgreSQL stopped or stalled: calls are still decided, answered and ended; nothing answers 500."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.schema import migrate
from tests.support.own_postgres import Server
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for

PLAN = {"code": "pro", "status": "active"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path / "db")
    found.start()
    asyncio.run(migrate(found.dsn))
    yield found
    found.stop()


@pytest.fixture
async def callgate(server: Server, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[Replica]:
    async with replica(settings_for(tmp_path / "replica", vapi.base_url), server.dsn) as started:
        yield started


async def prepare(callgate: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """A blocked and a paying number."""
    blocked = vapi.add_number(provider="vapi")["id"]
    paying = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization("Blocked"), blocked)
    organization_id = await callgate.add_organization("Paying")
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await callgate.add_number(organization_id, paying, answer_with={"assistantId": "a-1"})
    return blocked, paying


async def check_without_postgres(callgate: Replica, vapi: SandboxVapi, ids: Any) -> str:
    """What must hold while PostgreSQL is away; returns the blocked call's id."""
    blocked, paying = ids
    message = vapi.live_call(blocked)
    call_id = str(message["message"]["call"]["id"])
    assert (await callgate.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 5)
    for _ in range(3):
        began = time.monotonic()
        granted = await callgate.post(vapi.live_call(paying, kind="assistant-request"))
        refused = await callgate.post(vapi.live_call(blocked, kind="assistant-request"))
        assert time.monotonic() - began < 1
        assert (granted.status, granted.json) == (200, {"assistantId": "a-1"})
        assert refused.status == 200
        assert set(refused.json) == {"error"}
    assert (await callgate.post(vapi.live_call(paying))).status == 200
    ended = {"message": {**message["message"], "type": "end-of-call-report"}}
    assert (await callgate.post(ended)).status == 403
    assert (await callgate.api("GET", "/organizations")).status == 503
    async with callgate.session.get(f"{callgate.url}/readyz") as response:
        assert response.status == 200
        assert (await response.json())["status"] == "degraded"
    return call_id


async def check_recovery(callgate: Replica, call_id: str) -> None:
    """Back again: the record arrives, and changes reach the directory."""

    async def recorded() -> Any:
        answer = await callgate.api("GET", f"/calls?vapi_call_id={call_id}")
        items = answer.json["items"] if answer.status == 200 else []
        return items[0] if items and items[0]["ended_at"] else None

    call = await eventually(recorded, 30)
    assert (call["status"], call["blocked"]) == ("failed", True)

    async def fresh() -> bool:
        return callgate.service.access.directory.basis == "fresh"

    await eventually(fresh, 20)


async def test_stopped(callgate: Replica, server: Server, vapi: SandboxVapi) -> None:
    ids = await prepare(callgate, vapi)
    await asyncio.to_thread(server.stop)
    call_id = await check_without_postgres(callgate, vapi, ids)
    server.start()
    await check_recovery(callgate, call_id)


async def test_stalled(callgate: Replica, server: Server, vapi: SandboxVapi) -> None:
    """It accepts connections and never answers: worse than being down."""
    ids = await prepare(callgate, vapi)
    server.signal_all(signal.SIGSTOP)
    try:
        call_id = await check_without_postgres(callgate, vapi, ids)
    finally:
        server.signal_all(signal.SIGCONT)
    await check_recovery(callgate, call_id)


async def test_a_spooled_record_outlives_the_process(
    server: Server, vapi: SandboxVapi, tmp_path: Path
) -> None:
    """Answered with PostgreSQL away, then the replica stops: the next one records the call."""
    settings = settings_for(tmp_path / "replica", vapi.base_url)
    async with replica(settings, server.dsn) as first:
        blocked, _ = await prepare(first, vapi)
        await asyncio.to_thread(server.stop)
        message = vapi.live_call(blocked)
        assert (await first.post(message)).status == 403
    server.start()
    async with replica(settings, server.dsn) as second:

        async def recorded() -> Any:
            return await second.call(message["message"]["call"]["id"])

        assert (await eventually(recorded, 20))["reason"] == "no_plan_or_trial"
