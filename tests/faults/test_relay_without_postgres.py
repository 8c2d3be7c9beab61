"""PostgreSQL is away: lasting messages wait on disk, in the order of their call, or are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.sandbox.server import SandboxVapi
from tests.faults.test_postgres_away import server
from tests.support.own_postgres import Server
from tests.support.own_servers import OwnServer, connect, report
from tests.support.service import Replica, Start, eventually, replica
from tests.support.settings import settings_for

__all__ = ("server",)


@pytest.fixture
async def start_on(server: Server, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(**given: object) -> Replica:
            settings = settings_for(
                tmp_path / "replica", vapi.base_url, callgate_relay_hosts="127.0.0.1", **given
            )
            return await stack.enter_async_context(replica(settings, server.dsn))

        yield start


async def test_messages_wait_on_disk_and_keep_their_order(
    start_on: Start, server: Server, vapi: SandboxVapi
) -> None:
    callgate = await start_on()
    own = OwnServer()
    async with own.running():
        _, number_id = await connect(callgate, vapi, own)
        calls = [vapi.live_call(number_id) for _ in range(4)]
        ids = [call["message"]["call"]["id"] for call in calls]
        for number in range(3):
            for call in calls:
                assert (await callgate.post(report(call, number))).status == 200
        server.stop()
        for number in range(3, 8):
            for call in calls:
                assert (await callgate.post(report(call, number))).status == 200
        spool = callgate.service.relay.lasting.spool
        assert spool.on_disk
        kinds = {one.kind for one in callgate.service.use_cases.conditions.read_last()}
        assert "relay_spool_waiting" in kinds
        server.start()
        for number in range(8, 11):
            for call in calls:
                assert (await callgate.post(report(call, number))).status == 200
        done = list(range(11))

        async def all_arrived() -> bool:
            return all(sorted(own.numbers_of(one)) == done for one in ids)

        await eventually(all_arrived, 40)
        assert [own.numbers_of(one) for one in ids] == [done] * 4
        await eventually(lambda: asyncio.sleep(0, not spool.on_disk), 10)
        names = {(one.call, one.message["number"], one.webhook_id) for one in own.received}
        assert len(names) == 44


async def test_a_full_spool_refuses_and_loses_nothing(
    start_on: Start, server: Server, vapi: SandboxVapi
) -> None:
    callgate = await start_on(callgate_relay_spool_bytes=2**20)
    own = OwnServer()
    async with own.running():
        _, number_id = await connect(callgate, vapi, own)
        call = vapi.live_call(number_id)
        assert (await callgate.post(report(call, 0))).status == 200
        server.stop()
        statuses = []
        for number in range(1, 13):
            message = report(call, number)
            message["message"]["transcript"] = "x" * 100_000
            statuses.append((await callgate.post(message)).status)
        assert statuses[0] == 200
        assert statuses[-1] == 503
        server.start()
        kept = [0, *(index for index, status in enumerate(statuses, 1) if status == 200)]
        call_id = call["message"]["call"]["id"]

        async def arrived() -> bool:
            return own.numbers_of(call_id) == kept

        await eventually(arrived, 40)
