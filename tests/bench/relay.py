"""A client's app in front of Callgate and behind it, side by side in one run.

    python -m tests.bench.relay [--seconds 10] [--rate 500] [--size 2000]

The service, the client's app and PostgreSQL each run in processes of their own. Tool calls go to the app
in turn directly and through Callgate: the same answers, and so many milliseconds more at the median.
Then lasting messages arrive at a constant rate: how long each acknowledgement takes, and how many wait
for the app. Nothing here is a test: a shared machine's figures move.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import uvloop
from aiohttp import web

from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually, unused_port
from tests.support.settings import SECRET

PLAN = {"code": "pro", "status": "active"}
ANSWER = b'{"results": [{"toolCallId": "call_1", "result": "A table for two at eight."}]}'
WAITING = "SELECT count(*) FROM callgate.relay_messages WHERE done_at IS NULL"
CALLS = 200


def serve_app(port: int) -> None:
    """The client's app: it answers tool calls, and counts what else it gets."""
    count = 0

    async def hook(request: web.Request) -> web.Response:
        nonlocal count
        body = await request.read()
        if b'"type":"tool-calls"' in body:
            return web.Response(body=ANSWER, content_type="application/json")
        count += 1
        return web.Response(body=b"{}", content_type="application/json")

    async def tell(_request: web.Request) -> web.Response:
        return web.Response(text=str(count))

    app = web.Application()
    app.router.add_post("/hook", hook)
    app.router.add_get("/count", tell)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


@asynccontextmanager
async def client_app() -> AsyncIterator[str]:
    """The app in a process of its own; its address."""
    url = f"http://127.0.0.1:{(port := unused_port())}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.relay", "--app", str(port)
    )

    async def answers() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/count") as found:
                return found.status == 200
        except aiohttp.ClientError:
            return False

    try:
        await eventually(answers, 20)
        yield url
    finally:
        process.kill()
        await process.wait()


async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[float, int, bytes]:
    began = time.perf_counter()
    headers = {"X-Vapi-Secret": SECRET, "Content-Type": "application/json"}
    async with session.post(url, data=body, headers=headers) as response:
        content = await response.read()
    return time.perf_counter() - began, response.status, content


async def compare(
    session: aiohttp.ClientSession, direct: str, gate: str, message: Any, seconds: float
) -> None:
    """Tool calls, one after the other, directly and through Callgate in turn."""
    message["message"]["type"] = "tool-calls"
    body = orjson.dumps(message)
    taken: dict[str, list[float]] = {direct: [], gate: []}
    ends_at, differing = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        answers = []
        for url in (direct, gate):
            spent, status, content = await post(session, url, body)
            taken[url].append(spent)
            answers.append((status, content))
        differing += answers[0] != answers[1]
    for name, url in (("directly", direct), ("through Callgate", gate)):
        times = sorted(taken[url])
        p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
        print(f"tool calls {name:17} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   n={len(times)}")
    more = 1000 * (statistics.median(taken[gate]) - statistics.median(taken[direct]))
    print(f"more at the median: {more:.2f} ms; answers that differ: {differing}", flush=True)


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is: Callgate's webhook and process, the app, the database."""

    gate: str
    process: int
    app: str
    dsn: str

    @property
    def cpu_seconds(self) -> float:
        """CPU that the service took so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def sustain(
    session: aiohttp.ClientSession, places: Places, given: argparse.Namespace, calls: list[Any]
) -> None:
    """Lasting messages at a constant rate, whatever the answers take."""
    database = await asyncpg.connect(places.dsn)
    taken: list[float] = []
    statuses: dict[int, int] = {}
    running: set[asyncio.Task[None]] = set()

    async def send(number: int) -> None:
        message = calls[number % len(calls)]["message"] | {
            "type": "status-update",
            "status": "in-progress",
            "number": number,
            "transcript": "x" * given.size,
        }
        spent, status, _ = await post(session, places.gate, orjson.dumps({"message": message}))
        taken.append(spent)
        statuses[status] = statuses.get(status, 0) + 1

    async def count() -> int:
        async with session.get(f"{places.app}/count") as response:
            return int(await response.text())

    used, before = places.cpu_seconds, await count()
    began, sent, told = time.monotonic(), 0, 0
    while (spent := time.monotonic() - began) < given.seconds:
        while sent < spent * given.rate:
            task = asyncio.create_task(send(sent))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        if spent > told + 1:
            told += 1
            waits = await database.fetchval(WAITING)
            print(
                f"  {told:3} s: sent {sent}, unanswered {len(running)}, waiting {waits}", flush=True
            )
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    acknowledged = time.monotonic() - began
    while await count() - before < sent:
        await asyncio.sleep(0.02)
    delivered = time.monotonic() - began
    times = sorted(taken)
    p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    print(f"lasting messages: {sent} of {given.size} bytes and more at {given.rate}/s, {statuses}")
    print(f"acknowledged p50 {p50:.1f} ms, p99 {p99:.1f} ms; all after {acknowledged:.2f} s")
    cpu = 1000 * (places.cpu_seconds - used) / sent
    print(
        f"all delivered after {delivered:.2f} s: {sent / delivered:.0f}/s; {cpu:.2f} ms of CPU each"
    )
    await database.close()


async def run(folder: Path, dsn: str, given: argparse.Namespace) -> None:
    vapi = SandboxVapi()
    await vapi.start()
    environment = {
        "DATABASE_URL": dsn,
        "CALLGATE_RELAY_HOSTS": "127.0.0.1",
        "CALLGATE_LOG_LEVEL": "WARNING",
    }
    service = ServiceProcess(vapi, folder / "data", environment=environment)
    await service.start()
    connector = aiohttp.TCPConnector(limit=64)
    async with client_app() as app, aiohttp.ClientSession(connector=connector) as session:
        client = Replica(None, session, service.url)  # type: ignore[arg-type]
        owner = await client.add_organization("Bakery", forward_url=f"{app}/hook")
        await client.api("PUT", f"/organizations/{owner}/plan", PLAN)
        number_id = vapi.add_number(provider="vapi")["id"]
        await client.add_number(owner, number_id)
        calls = [vapi.live_call(number_id) for _ in range(CALLS)]
        gate = f"{service.url}/api/vapi/webhook"
        for call in calls:
            await post(session, gate, orjson.dumps(call))
        await compare(session, f"{app}/hook", gate, vapi.live_call(number_id), given.seconds)
        assert service.process is not None
        places = Places(gate, service.process.pid, app, dsn)
        await sustain(session, places, given, calls)
    await service.end()
    await vapi.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--app", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.app:
        serve_app(given.app)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "server")
        dsn = server.start()
        try:
            uvloop.run(run(folder, dsn, given))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
