"""Worker processes: one that dies is replaced, and all of them end with their supervisor."""

import os
import re
import signal
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.process import ServiceProcess
from tests.support.service import eventually


def workers_of(process: ServiceProcess) -> set[int]:
    """The worker processes of a supervisor; its PostgreSQL is among its children, too."""
    assert process.process is not None
    pid = process.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if b"--worker-of" in command_of(child)}


def command_of(pid: str) -> bytes:
    """The command line of a process; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_worker_that_dies_is_replaced_and_all_end_together(
    vapi: SandboxVapi, tmp_path: Path
) -> None:
    process = ServiceProcess(vapi, tmp_path / "data", options=("--workers", "2"))
    await process.start()
    try:
        before = workers_of(process)
        assert len(before) == 2
        killed = before.pop()
        os.kill(killed, signal.SIGKILL)

        async def replaced() -> set[int]:
            found = workers_of(process)
            return found if len(found) == 2 and killed not in found else set()

        workers = await eventually(replaced, 30)
        assert before < workers
        assert "worker.died" in process.log.read_text()

        async def on_one_page() -> bool:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{process.url}/metrics") as reply,
            ):
                page = await reply.text()
            numbers = set(
                re.findall(r'^callgate_spool_records\{worker="(\d)"\} ', page, re.MULTILINE)
            )
            return numbers == {"1", "2"}

        await eventually(on_one_page, 30)
    finally:
        code = await process.end()
    assert code == 0
    assert not any(is_running(worker) for worker in workers)
