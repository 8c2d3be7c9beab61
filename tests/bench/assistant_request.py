"""Latency of assistant-requests at a fixed rate, the service on one core and all else on the others.

    python -m tests.bench.assistant_request [--rate 500] [--seconds 5]

Requests go out at their time whether or not earlier ones are answered, as callers do: a slow answer
delays no other request, and is counted. Each is a new call, decided and recorded. Printed beside a
bare handler in the same layout of processes, then with PostgreSQL standing still and stopped, with
how busy the core of the service was. Nothing here is a test.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp
import orjson
import uvloop

from service.log import configure_logging
from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from tests.support.process import ServiceProcess
from tests.support.service import unused_port
from tests.support.settings import SECRET, TOKEN

BARE = """
import sys
from aiohttp import web

async def bare(request):
    await request.read()
    return web.json_response({})

app = web.Application()
app.router.add_post("/", bare)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""
SETTLING_SECONDS = 5.0
CORES = sorted(os.sched_getaffinity(0))
PLAN = {"code": "pro", "status": "active"}


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def drive(
    name: str, url: str, template: object, *, rate: float, seconds: float, pid: int
) -> None:
    """Send at a fixed rate; print how long answers took, from the time they were due."""
    text = orjson.dumps(template).decode()
    taken: list[float] = []
    statuses: dict[object, int] = {}
    headers = {"X-Vapi-Secret": SECRET}

    async def post(session: aiohttp.ClientSession, due: float) -> None:
        body = text.replace("CALL-ID", str(uuid.uuid4())).encode()
        try:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
                status: object = response.status
        except (aiohttp.ClientError, TimeoutError) as exc:
            status = type(exc).__name__
        statuses[status] = statuses.get(status, 0) + 1
        taken.append(time.perf_counter() - due)

    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        tasks = []
        used = cpu_seconds(pid)
        began = time.perf_counter()
        for count in range(int(rate * seconds)):
            due = began + count / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            tasks.append(asyncio.create_task(post(session, due)))
        await asyncio.gather(*tasks)
        busy = (cpu_seconds(pid) - used) / (time.perf_counter() - began)
    taken.sort()
    p50, p99, most = (1000 * taken[int((len(taken) - 1) * share)] for share in (0.5, 0.99, 1))
    figures = f"p50 {p50:7.2f}  p99 {p99:7.2f}  max {most:8.2f} ms  core {busy:4.0%}"
    print(f"{name:38} {figures}  {statuses}", flush=True)


def stand_still(data_dir: Path, number: int) -> None:
    """Stop, or go on with, every process of the embedded PostgreSQL."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == data_dir / "postgres":
                os.kill(int(entry.name), number)
        except OSError:
            continue


async def run(
    folder: Path, server: EmbeddedPostgres, dsn: str, rate: float, seconds: float
) -> None:
    """The figures, one line each. Blocked calls come last: their hang-ups follow seconds later."""
    vapi = SandboxVapi()
    await vapi.start()
    port = unused_port()
    bare = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(port))
    service = ServiceProcess(vapi, folder / "data", environment={"DATABASE_URL": dsn})
    service.environment |= {"CALLGATE_LOG_LEVEL": "ERROR", "CALLGATE_CALL_WATCH_INTERVAL": "0"}
    await service.start()
    assert service.process is not None
    for pid in (bare.pid, service.process.pid):
        os.sched_setaffinity(pid, {CORES[0]})
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
            granted, blocked = await prepare(session, service.url, vapi)

        async def measure(name: str, template: object) -> None:
            url, pid = f"{service.url}/api/vapi/webhook", service.process.pid  # type: ignore[union-attr]
            await drive(name, url, template, rate=rate, seconds=seconds, pid=pid)

        baseline = f"http://127.0.0.1:{port}/"
        await drive("bare handler", baseline, granted, rate=rate, seconds=seconds, pid=bare.pid)
        await measure("granted", granted)
        stand_still(folder / "postgres", signal.SIGSTOP)
        try:
            await measure("granted, PostgreSQL stands still", granted)
        finally:
            stand_still(folder / "postgres", signal.SIGCONT)
        await asyncio.sleep(SETTLING_SECONDS)
        await asyncio.to_thread(server.stop)
        try:
            await measure("granted, PostgreSQL is stopped", granted)
        finally:
            server.start()  # in the main thread, as it wants to be
        await asyncio.sleep(SETTLING_SECONDS)
        await measure("blocked", blocked)
    finally:
        bare.kill()
        await bare.wait()
        await service.end()
        await vapi.stop()


async def prepare(
    session: aiohttp.ClientSession, url: str, vapi: SandboxVapi
) -> tuple[object, object]:
    """A paying and a blocked number with request gates; the message of a call of each."""
    found = []
    for plan in (PLAN, None):
        async with session.post(f"{url}/api/v1/organizations", json={"name": "Bakery"}) as reply:
            owner = (await reply.json())["id"]
        if plan:
            await session.put(f"{url}/api/v1/organizations/{owner}/plan", json=plan)
        assistant = vapi.add_assistant(name="Order taker")["id"]
        number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
        body = {
            "organization_id": owner,
            "vapi_phone_number_id": number_id,
            "gate": "request",
        }
        async with session.post(f"{url}/api/v1/phone-numbers", json=body) as reply:
            assert reply.status == 201, await reply.text()
        message = vapi.live_call(number_id, kind="assistant-request")
        message["message"]["call"]["id"] = "CALL-ID"
        found.append(message)
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR")
    gc.disable()  # a pause of ours would be counted as the service's
    if len(CORES) > 1:
        os.sched_setaffinity(0, set(CORES[1:]))
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name))
        dsn = server.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(Path(name), server, dsn, given.rate, given.seconds))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
