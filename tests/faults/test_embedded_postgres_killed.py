"""The postmaster of the embedded PostgreSQL is killed: calls are decided, and it is started again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.serve.embedded_conditions import EmbeddedConditions
from service.serve.replica import Start
from service.store.postgres.guard import PostgresGuard
from tests.faults.test_postgres_away import server
from tests.support.own_postgres import Server
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for

__all__ = ("server",)


@pytest.fixture
async def callgate(server: Server, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[Replica]:
    assert server.embedded is not None
    guard = PostgresGuard(server.embedded)
    start = Start(
        loops=(guard.background(),), conditions=EmbeddedConditions(guard.shared.read).read
    )
    settings = settings_for(tmp_path / "replica", vapi.base_url)
    async with replica(settings, server.dsn, start=start) as started:
        yield started


def kill(server: Server) -> None:
    assert server.embedded is not None
    assert server.embedded.process is not None
    assert server.embedded.process.child is not None
    os.kill(server.embedded.process.child.pid, signal.SIGKILL)


async def kinds(callgate: Replica) -> set[str]:
    async with callgate.session.get(f"{callgate.url}/readyz") as response:
        assert response.status == 200
        return {check["kind"] for check in (await response.json())["checks"] if "kind" in check}


async def test_a_killed_postmaster_is_started_again(
    callgate: Replica, server: Server, vapi: SandboxVapi
) -> None:
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(await callgate.add_organization(), number)
    # Without this file it cannot start: the first attempts fail.
    control = server.data_dir / "postgres" / "global" / "pg_control"
    kept = control.read_bytes()
    control.write_bytes(b"")
    kill(server)
    message = vapi.live_call(number)
    call_id = str(message["message"]["call"]["id"])
    assert (await callgate.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 5)

    async def is_broken() -> bool:
        return "embedded_postgres_broken" in await kinds(callgate)

    await eventually(is_broken, 20)
    control.write_bytes(kept)

    async def recorded() -> Any:
        answer = await callgate.api("GET", f"/calls?vapi_call_id={call_id}")
        return answer.status == 200 and answer.json["items"]

    assert (await eventually(recorded, 30))[0]["blocked"] is True

    async def well() -> bool:
        return not await kinds(callgate)

    await eventually(well, 20)
