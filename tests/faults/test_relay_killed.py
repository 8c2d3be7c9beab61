"""A replica is killed with reports in flight: each acknowledged one reaches the client, in order."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.own_servers import OwnServer, Received, connect, report
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually

CALLS, EACH = 100, 10


async def started(
    stack: AsyncExitStack, vapi: SandboxVapi, dsn: str, folder: Path
) -> tuple[ServiceProcess, Replica]:
    """A replica in a process of its own, and a client of it."""
    process = ServiceProcess(
        vapi,
        folder,
        environment={"DATABASE_URL": app_dsn(dsn), "CALLGATE_RELAY_HOSTS": "127.0.0.1"},
    )
    stack.push_async_callback(process.end)
    await process.start()
    session = await stack.enter_async_context(aiohttp.ClientSession())
    return process, Replica(None, session, process.url)  # type: ignore[arg-type]


async def test_every_acknowledged_report_arrives_in_the_order_of_its_call(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    own = OwnServer()

    async def slowly(_received: Received) -> int:
        await asyncio.sleep(0.2)
        return 200

    own.answer = slowly
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(own.running())
        (doomed, one), (_, other) = await asyncio.gather(
            *(started(stack, vapi, dsn, tmp_path / name) for name in ("one", "other"))
        )
        _, number_id = await connect(one, vapi, own)
        await asyncio.sleep(1)
        calls = [vapi.live_call(number_id) for _ in range(CALLS)]
        acknowledged: dict[str, list[int]] = {}
        killed = asyncio.Event()

        async def talk(place: int, call: Any) -> None:
            """Messages of one call, alternating between replicas; Vapi repeats what failed."""
            for number in range(EACH):
                first = one if (number + place) % 2 and not killed.is_set() else other
                for replica in (first, other, other):
                    try:
                        answer = await replica.post(report(call, number))
                    except aiohttp.ClientError:
                        continue
                    if answer.status == 200:
                        acknowledged.setdefault(call["message"]["call"]["id"], []).append(number)
                        break

        talking = asyncio.gather(*(talk(place, call) for place, call in enumerate(calls)))

        async def many() -> bool:
            return sum(map(len, acknowledged.values())) >= CALLS * EACH // 3

        await eventually(many, 60)
        await doomed.kill()
        killed.set()
        await talking
        assert sum(map(len, acknowledged.values())) > CALLS * EACH * 0.9

        async def all_arrived() -> bool:
            return all(
                set(given) <= set(own.numbers_of(call)) for call, given in acknowledged.items()
            )

        await eventually(all_arrived, 90)
        for call, given in acknowledged.items():
            arrived = [number for number in own.numbers_of(call) if number in given]
            assert arrived == sorted(given)
        names = {(found.call, found.message["number"]) for found in own.received}
        assert len({found.webhook_id for found in own.received}) == len(names)
