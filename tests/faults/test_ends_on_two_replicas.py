"""Calls that begin on one replica and end on another, while the way to PostgreSQL is harmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import TcpProxy, proxied

CALLS = 40
PLAN = {"code": "pro", "status": "active"}
ENDED = """
SELECT count(*) FROM callgate.calls
WHERE ended_at IS NOT NULL AND cost = 0.25 AND duration_seconds = 30 AND status = 'ended'
"""


@dataclass(frozen=True)
class Pair:
    """Two replicas, each with a way of its own to one database; `dsn` is the way without harm."""

    one: Replica
    two: Replica
    ways: tuple[TcpProxy, TcpProxy]
    dsn: str

    async def count_ended(self) -> int:
        connection = await asyncpg.connect(self.dsn)
        try:
            return int(await connection.fetchval(ENDED))
        finally:
            await connection.close()

    async def drain(self, *, first: int) -> None:
        """Let one replica reach PostgreSQL again; returns when its spool is empty."""
        spool = (self.one, self.two)[first].service.access.spool
        await eventually(lambda: asyncio.sleep(0, not spool.waiting), 30)


@pytest.fixture
async def pair(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with proxied(app_dsn(dsn)) as left, proxied(app_dsn(dsn)) as right:
        settings = [settings_for(tmp_path / name, vapi.base_url) for name in ("one", "two")]
        async with replica(settings[0], left.dsn) as one, replica(settings[1], right.dsn) as two:
            yield Pair(one, two, (left, right), dsn)


async def prepare(pair: Pair, vapi: SandboxVapi, *, pays: bool = True) -> str:
    """A number that both replicas know."""
    number = str(vapi.add_number(provider="vapi")["id"])
    organization_id = await pair.one.add_organization()
    if pays:
        await pair.one.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await pair.one.add_number(organization_id, number)
    directory = pair.two.service.access.directory
    await eventually(lambda: asyncio.sleep(0, number in directory.numbers))
    return number


def report_of(message: dict[str, Any]) -> dict[str, Any]:
    """The report of the end of a call, with its figures."""
    figures = {"endedReason": "customer-ended-call", "durationSeconds": 30, "cost": 0.25}
    return {"message": {**message["message"], "type": "end-of-call-report", **figures}}


async def post_all(to: Replica, messages: list[dict[str, Any]]) -> None:
    answers = await asyncio.gather(*(to.post(message) for message in messages))
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("first", [0, 1], ids=["begins-first", "ends-first"])
async def test_ends_taken_in_an_outage_survive_any_order_of_draining(
    pair: Pair, vapi: SandboxVapi, first: int
) -> None:
    number = await prepare(pair, vapi)
    messages = [vapi.live_call(number) for _ in range(CALLS)]
    with ExitStack() as later, ExitStack() as sooner:
        for place, way in enumerate(pair.ways):
            stack = sooner if place == first else later
            stack.enter_context(way.fault("refuse"))
            way.cut()
        await post_all(pair.one, messages)
        await post_all(pair.two, [report_of(message) for message in messages])
        sooner.close()
        await pair.drain(first=first)
    await pair.drain(first=1 - first)
    assert await pair.count_ended() == CALLS


async def test_latency_towards_postgresql_loses_no_end(pair: Pair, vapi: SandboxVapi) -> None:
    number = await prepare(pair, vapi)
    messages = [vapi.live_call(number) for _ in range(CALLS)]
    with ExitStack() as stack:
        for way in pair.ways:
            stack.enter_context(way.fault("delay", seconds=0.1))
        await asyncio.gather(
            post_all(pair.one, messages),
            post_all(pair.two, [report_of(message) for message in messages]),
        )
    for place in (0, 1):
        await pair.drain(first=place)

    async def all_ended() -> bool:
        return await pair.count_ended() == CALLS

    await eventually(all_ended, 20)


async def test_the_claims_of_a_blocked_calls_report_are_kept(pair: Pair, vapi: SandboxVapi) -> None:
    """Vapi does not show this call yet, so the report's cost is all that is known of it."""
    number = await prepare(pair, vapi, pays=False)
    message = vapi.live_call(number)
    message["message"]["call"]["id"] = "a-call-that-vapi-does-not-show"
    with pair.ways[0].fault("refuse"), pair.ways[1].fault("refuse"):
        for way in pair.ways:
            way.cut()
        assert (await pair.one.post(message)).status == 403
        assert (await pair.two.post(report_of(message))).status == 403
    for place in (0, 1):
        await pair.drain(first=place)
    connection = await asyncpg.connect(pair.dsn)
    cost = await connection.fetchval("SELECT cost::float8 FROM callgate.calls")
    await connection.close()
    assert cost == 0.25
