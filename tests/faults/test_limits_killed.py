"""Limits on calls under way over three processes, of which one is killed in the middle of a burst."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.limits import NAME, add_limited, ended, granted, post_all, slots
from tests.support.plugins import write_plugin
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually

CALLS = 200
CAPACITY = 5
MODULE = """
from policies import hookimpl
from tests.support.limits import calls_at_once


@hookimpl
def register_access_policies():
    return [calls_at_once]
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def three(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> AsyncIterator[tuple[list[ServiceProcess], list[Replica]]]:
    """Three services on one database, with the policy as a plugin, and a client of each."""
    write_plugin(tmp_path / "plugins", "limits_plugin", MODULE)
    environment = {"DATABASE_URL": dsn, "PYTHONPATH": f"{tmp_path / 'plugins'}:{ROOT}"}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        processes, clients = [], []
        for place in range(3):
            process = ServiceProcess(vapi, tmp_path / f"data-{place}", environment=environment)
            await process.start()
            stack.push_async_callback(process.end)
            processes.append(process)
            clients.append(Replica(None, session, process.url))  # type: ignore[arg-type]
        yield processes, clients


async def test_a_kill_lets_in_none_too_many_and_leaves_no_slot(
    three: tuple[list[ServiceProcess], list[Replica]], vapi: SandboxVapi, pool: Pool
) -> None:
    processes, clients = three
    _, number = await add_limited(clients[0], vapi, CAPACITY)
    await knows_all(clients, vapi, number)
    calls = [vapi.live_call(number, kind="assistant-request") for _ in range(CALLS)]

    async def post(to: Replica, call: Any) -> Any:
        try:
            return call, await to.post(call)
        except aiohttp.ClientError:
            return call, None

    posting = asyncio.gather(*(post(clients[n % 3], call) for n, call in enumerate(calls)))
    await eventually(lambda: slots(pool), 30)
    await processes[0].kill()
    answered = [(call, answer) for call, answer in await posting if answer is not None]
    passed = granted(*zip(*answered, strict=True))
    assert len(passed) <= CAPACITY
    assert (await slots(pool))[NAME] == CAPACITY

    # Vapi repeats what was not answered, to the others: nothing more is let in.
    again = [call for call in calls if call not in [one for one, _ in answered]]
    more = granted(again, await post_all(clients[1:], again))
    assert len(passed) + len(more) == CAPACITY
    assert (await slots(pool))[NAME] == CAPACITY

    await post_all(clients[1:], [ended(call) for call in [*passed, *more]])
    await eventually(lambda: is_free(pool), 30)
    fresh = [vapi.live_call(number, kind="assistant-request") for _ in range(20)]
    assert len(granted(fresh, await post_all(clients[1:], fresh))) == CAPACITY


async def is_free(pool: Pool) -> bool:
    return not await slots(pool)


async def knows_all(clients: list[Replica], vapi: SandboxVapi, number: str) -> None:
    """Wait until every service lets a call of the number in, one after the other."""
    for client in clients:

        async def knows(client: Replica = client) -> bool:
            call = vapi.live_call(number, kind="assistant-request")
            known = bool(granted([call], [await client.post(call)]))
            if known:
                await client.post(ended(call))
            return known

        await eventually(knows, 30)
