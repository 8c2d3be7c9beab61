"""An attempt that began before a server was replaced or resumed says nothing of the server that is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from service.domain.network.forward_urls import ForwardUrls
from service.domain.relay.messages import KeptMessage
from service.relay.claiming import RelayClaims
from service.relay.delivery import RelayServers
from service.relay.lasting import LastingMessages
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.sender import Sender
from service.relay.targets import RelayTargets
from service.store.pool import Pool
from service.store.relay import messages, replays, states
from service.store.relay.spool import RelaySpool
from service.store.vault import Vault
from tests.support.client_servers import ClientServer, client_server
from tests.support.own_servers import Directory
from tests.support.service import eventually

LIMITS = RelayLimits(delivery_seconds=0.5)
ADD_OWNER = """
INSERT INTO callgate.organizations (name, forward_url) VALUES ('Bakery', $1) RETURNING id
"""
ROW = """
SELECT attempts, claimed_by IS NOT NULL AS claimed,
    extract(epoch FROM due_at - clock_timestamp())::float8 AS due_in
FROM callgate.relay_messages
"""


@dataclass
class OneServer:
    """The relay of a replica, for one organization whose server never answers."""

    pool: Pool
    claims: RelayClaims
    directory: Directory
    owner: UUID
    hanging: ClientServer
    servers: RelayServers

    async def begin_attempt(self) -> None:
        """Let the server have a message, which it does not take in time."""
        waiting = len(self.hanging.requests)
        await self.claims.turn()
        await eventually(lambda: asyncio.sleep(0, len(self.hanging.requests) > waiting))

    async def end_attempt(self) -> tuple[int, float]:
        """The attempts that are counted after the one under way, and in how many seconds the next is."""

        async def is_given_back() -> bool:
            row = await self.pool.fetchrow(ROW)
            assert row is not None
            return not row["claimed"]

        await eventually(is_given_back)
        row = await self.pool.fetchrow(ROW)
        assert row is not None
        return row["attempts"], row["due_in"]


@pytest.fixture
async def one(pool: Pool, tmp_path: Path) -> AsyncIterator[OneServer]:
    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(client_server("never"))
        owner: UUID = await pool.fetchval(ADD_OWNER, hanging.url)
        directory = Directory({owner: hanging.url})
        targets = RelayTargets(directory.find, Vault(["the key of this test"]), "master", time.time)
        servers = RelayServers(Sender(ForwardUrls(("127.0.0.1",))), targets, LIMITS)
        stack.push_async_callback(servers.close)
        spool = RelaySpool(tmp_path, pool, 2**20, lambda: datetime.now(UTC))
        stack.callback(spool.close)
        lasting = LastingMessages(pool, spool, servers.find, servers.forget_claims)
        servers.fates = lasting
        await lasting.lease.turn()
        kept = KeptMessage(owner, "msg_1", "a", "hang", "application/json", b"{}")
        await messages.insert(pool, uuid4(), [(kept, False)])
        claims = RelayClaims(lasting, servers.servers)
        yield OneServer(pool, claims, directory, owner, hanging, servers)


def passing(owner: UUID, call: str) -> RelayMessage:
    return RelayMessage(owner, f"msg_{call}", "hang", "application/json", b"{}", call_id=call)


async def test_a_message_that_the_former_server_did_not_take_waits_no_longer_for_the_new_one(
    one: OneServer,
) -> None:
    await one.begin_attempt()
    async with client_server("well") as new:
        change = "UPDATE callgate.organizations SET forward_url = $1"
        await one.pool.execute(change, new.url)
        one.directory.urls[one.owner] = new.url
        attempts, due_in = await one.end_attempt()
        assert (attempts, due_in <= 0) == (0, True)
        status = await states.find(one.pool, one.owner)
        assert status.last_error is None
        await one.claims.turn()
        await eventually(lambda: asyncio.sleep(0, len(new.requests) == 1))


async def test_failures_of_the_former_server_do_not_count_against_the_new_one(
    one: OneServer,
) -> None:
    servers, owner = one.servers, one.owner
    asked = [
        asyncio.create_task(servers.ask(passing(owner, f"asked {index}"), 0.5))
        for index in range(10)
    ]
    for index in range(10):
        servers.forward(passing(owner, str(index)))
    await eventually(lambda: asyncio.sleep(0, len(one.hanging.requests) == 20))
    async with client_server("well") as new:
        one.directory.urls[owner] = new.url
        assert await servers.ask(passing(owner, "b"), 5.0) is not None
        assert await asyncio.gather(*asked) == [None] * 10
        await eventually(lambda: asyncio.sleep(0, servers.report.delivered == 10))
        assert servers.failing() == []
        assert await servers.ask(passing(owner, "c"), 5.0) is not None


async def test_a_probe_that_fails_after_its_server_was_resumed_is_soon_tried_again(
    one: OneServer,
) -> None:
    """It began before the resumption. While the server was parked, the next probe came in time; no
    probe comes now."""
    await states.fail(one.pool, {one.owner: (states.PARK_AFTER, "It did not answer in time.")})
    await one.pool.execute("UPDATE callgate.relay_messages SET attempts = 9")
    for resumed in (False, True):
        await one.pool.execute("UPDATE callgate.relay_states SET probe_at = now()")
        await one.begin_attempt()
        if resumed:
            async with one.pool.acquire() as connection:
                await replays.resume(connection, one.owner)
        attempts, due_in = await one.end_attempt()
        assert attempts == (11 if resumed else 10)
        assert (due_in < 6) is resumed
