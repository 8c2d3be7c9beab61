"""The embedded PostgreSQL does not start: calls are decided from the snapshot until it does."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.sandbox.server import SandboxVapi
from service.store.postgres.process import read_postmaster
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually

BROKEN = {"started_from_snapshot", "embedded_postgres_broken"}
AWAY = BROKEN | {"embedded_postgres_restarting", "database_away", "not ready"}


@pytest.fixture
async def process(
    request: pytest.FixtureRequest, vapi: SandboxVapi, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    """A running service; parameters are the number of its workers and its drain."""
    workers, drain = getattr(request, "param", (1, 0))
    started = ServiceProcess(
        vapi,
        tmp_path / "data",
        options=("--workers", str(workers)),
        environment={"CALLGATE_DRAIN_SECONDS": str(drain)},
    )
    await started.start()
    yield started
    await started.end()


@pytest.fixture
async def client(process: ServiceProcess) -> AsyncIterator[Replica]:
    """A client of the process that meets another worker with each request."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Replica(None, session, process.url)  # type: ignore[arg-type]


async def kinds(client: Replica) -> set[str]:
    async with client.session.get(f"{client.url}/readyz") as response:
        if response.status != 200:
            return {"not ready"}
        return {check["kind"] for check in (await response.json())["checks"] if "kind" in check}


def control_of(process: ServiceProcess) -> Path:
    """A file without which the server does not start."""
    return process.data_dir / "postgres" / "global" / "pg_control"


async def test_calls_are_decided_from_the_snapshot_until_the_server_starts(
    process: ServiceProcess, client: Replica, vapi: SandboxVapi
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    await client.add_number(await client.add_organization(), number_id)
    assert await process.end() == 0
    kept = control_of(process).read_bytes()
    control_of(process).write_bytes(b"")
    await process.start()

    message = vapi.live_call(number_id)
    call_id = str(message["message"]["call"]["id"])
    assert (await client.post(message)).status == 403
    await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 30)
    assert await kinds(client) >= BROKEN

    control_of(process).write_bytes(kept)

    async def recorded() -> Any:
        answer = await client.api("GET", f"/calls?vapi_call_id={call_id}")
        return answer.status == 200 and answer.json["items"]

    assert (await eventually(recorded, 60))[0]["blocked"] is True

    async def well() -> bool:
        return not AWAY & await kinds(client)

    await eventually(well, 60)


async def test_without_a_snapshot_the_start_fails(process: ServiceProcess) -> None:
    assert await process.end() == 0
    (process.data_dir / "directory.snapshot").unlink()
    control_of(process).write_bytes(b"")
    with pytest.raises(AssertionError, match=r"The embedded PostgreSQL in .* did not start"):
        await process.start()


@pytest.mark.parametrize("process", [(2, 60)], indirect=True)
async def test_every_worker_shows_the_server_which_is_kept_running_while_they_drain(
    process: ServiceProcess, client: Replica
) -> None:
    async def well() -> bool:
        return not any([AWAY & await kinds(client) for _ in range(8)])

    await eventually(well, 60)
    kept = control_of(process).read_bytes()
    control_of(process).write_bytes(b"")
    kill_postmaster(process)

    async def broken() -> bool:
        return all(["embedded_postgres_broken" in await kinds(client) for _ in range(8)])

    await eventually(broken, 60)
    control_of(process).write_bytes(kept)
    await eventually(well, 60)
    assert process.process is not None
    process.process.send_signal(signal.SIGTERM)
    kill_postmaster(process)

    async def restarted() -> bool:
        return process.log.read_text().count("postgres.restarted") == 2

    # The second time while the workers drain.
    await eventually(restarted, 50)
    # A repeated signal hastens the end.
    assert await process.end() == 0


def kill_postmaster(process: ServiceProcess) -> None:
    found = read_postmaster(process.data_dir / "postgres")
    assert found is not None
    os.kill(found[0], signal.SIGKILL)
