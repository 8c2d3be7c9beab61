"""A turn that claims what waits: many messages at once, and claims that are lost meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import structlog

from service.domain.network.forward_urls import ForwardUrls
from service.domain.organizations import Organization
from service.relay.claiming import RelayClaims
from service.relay.delivery import RelayServers
from service.relay.lasting import LastingMessages
from service.relay.limits import RelayLimits
from service.relay.sender import Sender
from service.relay.targets import RelayTargets
from service.store.pool import Pool
from service.store.relay import states
from service.store.relay.spool import RelaySpool
from service.store.vault import Vault
from tests.support.client_servers import client_server
from tests.support.own_servers import Directory

ADD_OWNERS = """
INSERT INTO callgate.organizations (name, forward_url)
SELECT 'Bakery ' || i, $1 FROM generate_series(1, $2) AS i RETURNING id
"""
ADD = """
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type,
    body, size, received_at, due_at)
SELECT o.id, call || ' ' || number, call, 'hang', 'application/json', '{}', 2, now(), now()
FROM callgate.organizations o, generate_series(1, $1) AS call, generate_series(1, $2) AS number
"""

WAITING = """
SELECT count(claimed_by) AS claimed, count(*) FILTER (WHERE due_at > now()) AS later,
    count(*) FILTER (WHERE attempts = 1) AS failed
FROM callgate.relay_messages WHERE organization_id = $1
"""


@pytest.fixture
async def claims(pool: Pool, tmp_path: Path) -> AsyncIterator[RelayClaims]:
    """The claims of a worker; 20 servers that never answer have 50 calls of 20 messages each."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(client_server("never"))
        rows = await pool.fetch(ADD_OWNERS, server.url, 20)
        await pool.execute(ADD, 50, 20)
        await pool.execute("ANALYZE callgate.relay_messages")
        directory = Directory({UUID(str(row["id"])): server.url for row in rows})
        targets = RelayTargets(directory.find, Vault(["the key of this test"]), "master", time.time)
        sender = Sender(ForwardUrls(("127.0.0.1",)))
        servers = RelayServers(sender, targets, RelayLimits(connections=1))
        stack.push_async_callback(servers.close)
        spool = RelaySpool(tmp_path, pool, 2**20, lambda: datetime.now(UTC))
        stack.callback(spool.close)
        lasting = LastingMessages(pool, spool, servers.find, servers.forget_claims)
        servers.fates = lasting
        await lasting.lease.turn()
        yield RelayClaims(lasting, servers.servers)


def waiting(claims: RelayClaims) -> int:
    return sum(server.queue.waiting for server in claims.servers.values())


@pytest.mark.alone
async def test_a_turn_that_claims_thousands_lets_others_run(claims: RelayClaims) -> None:
    longest = 0.0

    async def tick() -> None:
        """Measure the time of this thread, which passes only while something runs in it."""
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - began)

    ticking = asyncio.create_task(tick())
    await claims.turn()
    ticking.cancel()
    assert waiting(claims) > 1000
    assert longest < 0.1


async def test_claims_that_are_lost_while_they_are_handed_over_leave_nothing_behind(
    claims: RelayClaims,
) -> None:
    claiming = asyncio.create_task(claims.claim())
    while not waiting(claims):
        await asyncio.sleep(0)
    claims.lasting.lease.begin_anew()
    assert await claiming == 0
    assert waiting(claims) == 0


class ParkedMeanwhile:
    """A pool whose list of parked servers comes late: the writer has parked one since."""

    def __init__(self, claims: RelayClaims, owner: UUID) -> None:
        self.pool, self.claims, self.owner = claims.lasting.pool, claims, owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    async def fetch(self, statement: str, *given: Any) -> Any:
        found = await self.pool.fetch(statement, *given)
        if statement == states.LIST_PARKED:
            writer = self.claims.lasting.writer
            writer.outcomes.failures[self.owner] = (states.PARK_AFTER, "It did not answer in time.")
            writer.flush_soon()
            assert writer.flushing is not None
            await asyncio.wait({writer.flushing}, timeout=0.5)
        return found


async def test_an_earlier_list_does_not_resume_a_server_that_is_parked_meanwhile(
    claims: RelayClaims,
) -> None:
    pool, lasting = claims.lasting.pool, claims.lasting
    owner = await pool.fetchval("SELECT organization_id FROM callgate.relay_messages LIMIT 1")
    lasting.pool = cast("Pool", ParkedMeanwhile(claims, owner))
    await claims.turn()
    lasting.pool = pool
    await lasting.writer.flush()
    assert await states.list_parked(pool) == {owner}
    assert lasting.find_server(owner).is_parked


async def test_a_claim_that_cannot_be_handed_over_waits_for_another_try(
    claims: RelayClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The targets of one organization cannot be read, by an error of ours."""
    pool = claims.lasting.pool
    owner = await pool.fetchval("SELECT organization_id FROM callgate.relay_messages LIMIT 1")
    targets = claims.lasting.find_server(owner).targets
    find = targets.find_organization

    def faulty(asked: UUID) -> Organization | None:
        if asked == owner:
            raise ZeroDivisionError
        return find(asked)

    monkeypatch.setattr(targets, "find_organization", faulty)
    with structlog.testing.capture_logs() as logged:
        await claims.turn()
    assert {line["event"] for line in logged} == {"relay.attempt_failed"}
    assert waiting(claims) > 100
    await claims.lasting.writer.flush()
    found = await pool.fetchrow(WAITING, owner)
    assert found is not None
    assert found["claimed"] == 0
    assert found["later"] == found["failed"] * 20 > 0
