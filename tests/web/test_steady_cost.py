"""What a later message of a known call costs, beside a bare aiohttp handler in the same process.

A busy machine's clock says little, so the processor time of the server's thread is compared, in the best
of many short rounds. `python -m tests.bench steady` measures rates.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from service.sandbox.server import SandboxVapi
from tests.support.baselines import bare
from tests.support.load import message_of
from tests.support.service import Replica, unused_port
from tests.support.settings import secret_of

LEAST_RATIO = 0.85
"""Measured: 1.12 to 1.17 on a busy machine; through aiohttp's application it is 0.39."""
ROUNDS, MOST_ROUNDS = 12, 60
POSTS, CONNECTIONS = 25, 8


@asynccontextmanager
async def poster(port: int, body: Path, secret: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client in a process of its own: what it uses is not the server's."""
    given = str(port), str(body), secret, str(CONNECTIONS)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.poster", *given),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def cost(process: asyncio.subprocess.Process, posts: int = POSTS) -> float:
    """The processor time of this thread while the client posts, for each message in microseconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    began = time.thread_time()
    process.stdin.write(b"%d\n" % posts)
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"done\n"
    return 1e6 * (time.thread_time() - began) / (posts * CONNECTIONS)


@pytest.mark.alone
async def test_a_later_message_costs_about_as_much_as_a_bare_handler(
    callgate: Replica, vapi: SandboxVapi, tmp_path: Path
) -> None:
    number_id = vapi.add_number(provider="vapi")["id"]
    owner = await callgate.add_organization()
    await callgate.add_number(owner, number_id)
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    message = vapi.live_call(number_id)
    assert (await callgate.post(message)).status == 200
    message["message"] |= {"type": "speech-update", "status": "started"}
    body = tmp_path / "body.json"
    body.write_bytes(message_of(3000, message))

    app = web.Application()
    app.router.add_post("/api/vapi/webhook", bare)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = unused_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    site = int(callgate.url.rpartition(":")[2])
    costs: dict[str, list[float]] = {"bare": [], "ours": []}
    async with poster(port, body, "none") as one, poster(site, body, secret_of(owner)) as two:
        for process in (one, two):
            await cost(process)
        ratio = 0.0
        # Noise makes single rounds dearer, never cheaper: with further ones only a true cost stays.
        for number in range(MOST_ROUNDS):
            if number >= ROUNDS and ratio >= LEAST_RATIO:
                break
            costs["bare"].append(await cost(one))
            costs["ours"].append(await cost(two))
            ratio = min(costs["bare"]) / min(costs["ours"])
    await runner.cleanup()
    assert ratio >= LEAST_RATIO, costs
