"""The end of a process: it drains before it stops, and a second signal hastens it."""

import asyncio
import signal
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from service.serve.ending import FROM_SUPERVISOR, Ending
from tests.support.process import ServiceProcess
from tests.support.service import eventually


async def test_a_process_drains_until_a_second_signal(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    given = {"DATABASE_URL": dsn, "CALLGATE_DRAIN_SECONDS": "300"}
    process = ServiceProcess(vapi, tmp_path / "data", environment=given)
    await process.start()
    assert process.process is not None
    async with aiohttp.ClientSession() as session:

        async def unready() -> bool:
            async with session.get(f"{process.url}/readyz") as response:
                return response.status == 503

        process.process.send_signal(signal.SIGTERM)
        await eventually(unready)
        async with session.post(f"{process.url}/api/vapi/webhook", json={}) as response:
            assert response.status == 401
            assert response.headers["Connection"] == "close"
    assert process.process.returncode is None
    async with asyncio.timeout(15):
        assert await process.end() == 0


async def test_a_worker_drains_though_its_supervisor_asks_as_well() -> None:
    """A service manager sends SIGTERM to every process at once."""
    ending = Ending()
    ending.follow(signal.SIGTERM)
    ending.follow(FROM_SUPERVISOR)
    assert ending.begun.is_set()
    assert not ending.undrained.is_set()
    assert not ending.hastened.is_set()
    ending.follow(FROM_SUPERVISOR)
    assert ending.hastened.is_set()


async def test_a_signal_ends_the_wait_for_postgresql() -> None:
    ending, waited = Ending(), asyncio.Event()

    async def wait_for_postgresql() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            waited.set()
        return 1

    starting = asyncio.create_task(ending.unless_begun(wait_for_postgresql()))
    await asyncio.sleep(0)
    ending.follow(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await starting is None
    assert waited.is_set()
    assert not ending.hastened.is_set()
    ending.follow(signal.SIGINT)
    assert ending.undrained.is_set()
    assert not ending.hastened.is_set()
    ending.follow(signal.SIGTERM)
    assert ending.hastened.is_set()
