"""Limits on calls under way while PostgreSQL is away, slow or locked: each replica keeps to a share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.store.roles import app_dsn
from tests.support.limits import (
    NAME,
    REASON,
    add_limited,
    add_policy,
    ended,
    granted,
    know,
    post_all,
    slots,
)
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import TcpProxy, proxied

CAPACITY = 5
ANSWER_SECONDS = 4.0


@dataclass(frozen=True)
class Three:
    """Three replicas, each with a way of its own to one database."""

    replicas: list[Replica]
    ways: list[TcpProxy]

    @contextmanager
    def away(self, kind: Any = "refuse") -> Iterator[None]:
        with ExitStack() as stack:
            for way in self.ways:
                stack.enter_context(way.fault(kind))
                if kind == "refuse":
                    way.cut()
            yield

    async def read(self) -> None:
        """Wait until every replica has read what is in use as of now."""
        for one in self.replicas:
            since = time.monotonic()
            await until(lambda feed, since=since: feed.read_at > since, one.service.access.limits)
            await until(lambda memory: memory.replicas == 3, one.service.access.limits.memory)

    async def drain(self) -> None:
        """Wait until PostgreSQL has all records and no memory differs from it."""
        for one in self.replicas:
            await until(lambda spool: not spool.waiting, one.service.access.spool)
            await until(lambda known: not known.unconfirmed, one.service.access.gate.recorder.known)


@pytest.fixture
async def three(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Three]:
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(proxied(app_dsn(dsn))) for _ in range(3)]
        found = Three([], ways)
        for place, way in enumerate(ways):
            settings = settings_for(tmp_path / f"replica-{place}", vapi.base_url)
            found.replicas.append(await stack.enter_async_context(replica(settings, way.dsn)))
        add_policy(*found.replicas)
        yield found


async def until(fact: Callable[..., bool], thing: Any) -> None:
    """Wait until a fact is true of a thing."""
    await eventually(lambda: asyncio.sleep(0, fact(thing)), 30)


def asking(vapi: SandboxVapi, number: str, count: int) -> list[Any]:
    return [vapi.live_call(number, kind="assistant-request") for _ in range(count)]


async def test_all_shares_together_are_the_capacity(
    three: Three, vapi: SandboxVapi, pool: Pool
) -> None:
    """What was in use before counts; an end frees a slot; afterwards PostgreSQL has all of them."""
    one = three.replicas[0]
    _, number = await add_limited(one, vapi, CAPACITY)
    await know(three.replicas, number)
    before = asking(vapi, number, 1)
    assert granted(before, await post_all([one], before))
    await three.read()
    with three.away():
        calls = asking(vapi, number, 30)
        began = time.monotonic()
        passed = granted(calls, await post_all(three.replicas, calls))
        assert time.monotonic() - began < ANSWER_SECONDS
        assert len(passed) == CAPACITY - len(before)

        # Where a call ends, one more is let in: nowhere else.
        (of_one,) = [call for call in passed if calls.index(call) % 3 == 0][:1]
        assert (await one.post(ended(of_one))).status == 200
        more = asking(vapi, number, 9)
        let_in = granted(more, await post_all(three.replicas, more))
        assert [more.index(call) % 3 for call in let_in] == [0]

        async with one.session.get(f"{one.url}/readyz") as health:
            checks = (await health.json())["checks"]
        assert "limits_by_share" in {check.get("kind") for check in checks}
    await three.drain()
    assert await slots(pool) == {NAME: CAPACITY}
    later = asking(vapi, number, 3)
    assert not granted(later, await post_all(three.replicas, later))

    call = await one.call(let_in[0]["message"]["call"]["id"])
    entry = next(e for e in call["decision"]["trace"] if e["policy"] == "calls_at_once")
    assert (call["blocked"], call["decision"]["basis"]) == (False, "last_known_good")
    assert entry["limits"][0]["share"] is not None
    denied = next(call for call in calls if call not in passed)
    call = await one.call(denied["message"]["call"]["id"])
    assert (call["blocked"], call["reason"]) == (True, REASON)


async def test_a_slow_postgresql_delays_no_answer_for_long(
    three: Three, vapi: SandboxVapi, pool: Pool
) -> None:
    """What waits is answered by the share; nothing is recorded twice, and the answers stay."""
    _, number = await add_limited(three.replicas[0], vapi, 3)
    await know(three.replicas, number)
    await three.read()
    with three.away("stall"):
        calls = asking(vapi, number, 9)
        began = time.monotonic()
        passed = granted(calls, await post_all(three.replicas, calls))
        assert time.monotonic() - began < ANSWER_SECONDS
        assert len(passed) == 3
    await three.drain()
    assert await slots(pool) == {NAME: 3}
    for call in calls:
        stored = await three.replicas[1].call(call["message"]["call"]["id"])
        assert stored["blocked"] == (call not in passed)


async def test_one_organization_s_lock_delays_no_other(
    three: Three, vapi: SandboxVapi, pool: Pool
) -> None:
    """As when a replica stands still in the middle of its transaction."""
    owner, number = await add_limited(three.replicas[0], vapi, 3)
    _, other = await add_limited(three.replicas[0], vapi, 3, "Florist")
    for one in (number, other):
        await know(three.replicas, one)
    await three.read()
    key = f"callgate.slots:{owner}:{NAME}"
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key)
        locked = asking(vapi, number, 9)
        waiting = asyncio.create_task(post_all(three.replicas, locked))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        free = asking(vapi, other, 9)
        assert len(granted(free, await post_all(three.replicas, free))) == 3
        assert time.monotonic() - began < 1.5
        assert len(granted(locked, await waiting)) == 3
    await three.drain()
    assert await slots(pool) == {NAME: 6}


async def test_calls_without_limits_wait_for_nothing(
    three: Three, vapi: SandboxVapi, pool: Pool
) -> None:
    one = three.replicas[0]
    _, number = await add_limited(one, vapi, None)  # type: ignore[arg-type]
    await know(three.replicas, number)
    with three.away("stall"):
        began = time.monotonic()
        calls = asking(vapi, number, 3)
        assert len(granted(calls, await post_all([one], calls))) == 3
        assert time.monotonic() - began < 1.0
    await three.drain()
    assert not await slots(pool)
