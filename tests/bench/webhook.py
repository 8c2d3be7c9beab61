"""Speed of the webhook beside a bare aiohttp handler, in one run on one machine.

    python -m tests.bench.webhook [--seconds 5] [--connections 32]

Prints requests per second and the latency of later messages of granted calls, of first messages
(each a new call: decided, recorded, committed) and of refused assistant-requests. Nothing here is a
test: a shared machine's figures move by a quarter.
"""

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web

from service.log import configure_logging
from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from tests.support.service import Replica, replica, unused_port
from tests.support.settings import SECRET, settings_for

Body = Callable[[], bytes]


async def measure(name: str, url: str, body: Body, seconds: float, connections: int) -> float:
    """Post from some connections at once for a while; print and return requests per second."""
    taken: list[float] = []
    statuses: dict[int, int] = {}
    ends_at = time.perf_counter() + seconds
    headers = {"X-Vapi-Secret": SECRET}

    async def post(session: aiohttp.ClientSession) -> None:
        while time.perf_counter() < ends_at:
            began = time.perf_counter()
            async with session.post(url, data=body(), headers=headers) as response:
                await response.read()
                statuses[response.status] = statuses.get(response.status, 0) + 1
            taken.append(time.perf_counter() - began)

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(post(session) for _ in range(connections)))
    taken.sort()
    rate = len(taken) / seconds
    p50, p99 = (1000 * taken[int(len(taken) * share)] for share in (0.5, 0.99))
    print(f"{name:34} {rate:8.0f}/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   {statuses}")
    return rate


async def bare(_request: web.Request) -> web.Response:
    await _request.read()
    return web.json_response({})


async def run(dsn: str, folder: Path, seconds: float, connections: int) -> None:
    vapi = SandboxVapi()
    await vapi.start()
    app = web.Application()
    app.router.add_post("/", bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = unused_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with replica(settings_for(folder / "replica", vapi.base_url), dsn) as callgate:
        await figures(callgate, vapi, f"http://127.0.0.1:{port}/", seconds, connections)
    await runner.cleanup()
    await vapi.stop()


async def figures(
    callgate: Replica, vapi: SandboxVapi, baseline: str, seconds: float, connections: int
) -> None:
    """The server, the client and PostgreSQL share the machine, so compare the ratios."""
    paying, blocked = (str(vapi.add_number(provider="vapi")["id"]) for _ in range(2))
    organization_id = await callgate.add_organization("Paying")
    plan = {"code": "pro", "status": "active"}
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", plan)
    await callgate.add_number(organization_id, paying)
    await callgate.add_number(await callgate.add_organization("Blocked"), blocked)
    url = f"{callgate.url}/api/vapi/webhook"
    later = orjson.dumps(vapi.live_call(paying))
    refused = vapi.live_call(blocked, kind="assistant-request")

    def fresh(message: dict[str, Any]) -> Body:
        def build() -> bytes:
            message["message"]["call"]["id"] = str(uuid.uuid4())
            return orjson.dumps(message)

        return build

    one = await measure("bare aiohttp handler", baseline, lambda: later, seconds, connections)
    two = await measure("later message of a granted call", url, lambda: later, seconds, connections)
    print(f"{'':34} {two / one:8.2f} of the bare handler")
    first = fresh(vapi.live_call(paying))
    await measure("first message, granted", url, first, seconds, connections)
    await measure("assistant-request, refused", url, fresh(refused), seconds, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "db")
        dsn = server.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(migrate(dsn))
                runner.run(run(dsn, Path(folder), given.seconds, given.connections))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
