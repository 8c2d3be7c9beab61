"""Usage in memory is exact for what this replica did, at any moment and with readings in between."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from policies.contract import UsageFacts
from policies.entitlements import SubscriptionPlan
from policies.testing import request
from service.access.directory import AccessDirectory
from service.access.usage.feed import UsageFeed
from service.access.usage.memory import UsageMemory
from service.domain.calls import CallEnd, NewCall
from service.domain.organizations import Organization
from service.store.calls.call_store import CallStore
from service.store.calls.records import record_calls
from service.store.organizations.directory import DirectoryEntry
from service.store.pool import Pool
from service.store.usage.folding import UsageFolding
from tests.support.calls import new_call, record

NOW = datetime.now(UTC)
STEPS = 120


def feed_for(pool: Pool, *organizations: Organization) -> UsageFeed:
    directory = AccessDirectory()
    for organization in organizations:
        directory.put(DirectoryEntry(organization, ()))
    directory.loaded = True
    directory.clock.set(datetime.now(UTC), 0.0, 0.0)
    return UsageFeed(pool, directory, UsageMemory())


def facts(feed: UsageFeed, owner: UUID, at: datetime | None = None) -> UsageFacts | None:
    asked, entry = request(at=at or feed.directory.now()), feed.directory.entries.get(owner)
    organization = replace(asked.organization, id=owner)
    if entry is not None:
        organization = replace(organization, time_zone=entry.organization.time_zone)
        asked = replace(asked, plan=entry.organization.plan)
    return feed.memory.read(replace(asked, organization=organization))


def figures(found: UsageFacts | None) -> tuple[int, int, float, float]:
    assert found is not None
    return found.live_calls, found.calls_today, found.seconds, found.cost


class Life:
    """Calls of one organization as a replica takes them, each step apart; and what is true."""

    def __init__(self, pool: Pool, owner: UUID, chance: random.Random) -> None:
        self.store = CallStore(pool)
        self.feed = feed_for(pool, Organization(owner, "Acme"))
        self.owner = owner
        self.chance = chance
        self.unwritten: list[tuple[int, NewCall | CallEnd]] = []
        self.live: dict[str, NewCall] = {}
        self.expected = [0, 0, 0.0, 0.0]

    async def step(self) -> None:
        work = [self.begin, self.begin, self.end, self.write, self.write, self.read]
        await self.chance.choice(work)()

    async def read(self) -> None:
        await self.feed.turn()

    async def begin(self) -> None:
        allowed = self.chance.random() < 0.8
        call = new_call(
            str(uuid4()),
            allowed=allowed,
            organization_id=self.owner,
            started_at=self.feed.directory.now(),
        )
        self.feed.memory.begin(call.vapi_call_id, self.owner)
        self.unwritten.append((self.feed.memory.note_call(call), call))
        if allowed:
            self.live[call.vapi_call_id] = call
            self.expected[0] += 1
            self.expected[1] += 1

    async def end(self) -> None:
        """A report of the end, at times twice."""
        if not self.live:
            return
        call = self.live.pop(self.chance.choice(list(self.live)))
        seconds, cost = self.chance.choice(((None, None), (12.5, Decimal("0.25"))))
        now = self.feed.directory.now()
        end = CallEnd(
            call.vapi_call_id, now, None, seconds, cost, self.owner, reported_at=now, call=call
        )
        for _ in range(self.chance.choice((1, 1, 2))):
            self.unwritten.append((self.feed.memory.note_end(end, now), end))
        self.expected[0] -= 1
        self.expected[2] += seconds or 0.0
        self.expected[3] += float(cost or 0)

    async def write(self) -> None:
        """One record gets to PostgreSQL, in any order; an end brings its call along."""
        if not self.unwritten:
            return
        version, one = self.unwritten.pop(self.chance.randrange(len(self.unwritten)))
        if isinstance(one, NewCall):
            await self.store.record_calls([one])
        elif await self.store.record_end(one) == "unknown":
            raise AssertionError
        self.feed.memory.note_stored((one.vapi_call_id, self.owner), version)


@pytest.mark.parametrize("seed", range(6))
async def test_the_figures_are_exact_after_each_step(pool: Pool, seed: int) -> None:
    life = Life(pool, uuid4(), random.Random(seed))
    await life.feed.turn()
    for _ in range(STEPS):
        await life.step()
        assert figures(facts(life.feed, life.owner)) == tuple(life.expected)
    while life.unwritten:
        await life.write()
    await life.feed.turn()
    assert figures(facts(life.feed, life.owner)) == tuple(life.expected)
    assert life.feed.memory.calls == {}
    assert dict(life.feed.memory.places) == {}


class Interrupted:
    """A pool that lets something happen before it gives a connection."""

    def __init__(self, pool: Pool, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.pool = pool
        self.meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        await self.meanwhile()
        async with self.pool.acquire() as connection:
            yield connection


@pytest.mark.parametrize("seed", range(4))
async def test_what_happens_while_a_reading_begins_counts_once(pool: Pool, seed: int) -> None:
    life = Life(pool, uuid4(), random.Random(seed))
    await life.feed.turn()

    async def go_on() -> None:
        """Calls begin and end, and are recorded, before the reading sees anything."""
        for act in (life.begin, life.end, life.begin):
            await act()
        while life.unwritten and life.chance.random() < 0.9:
            await life.write()

    life.feed.pool = cast("Pool", Interrupted(pool, go_on))
    for _ in range(20):
        await life.begin()
        await life.feed.turn()
        assert figures(facts(life.feed, life.owner)) == tuple(life.expected)


async def test_what_another_replica_did_is_read_by_the_next_turn(pool: Pool) -> None:
    owner = uuid4()
    feed = feed_for(pool, Organization(owner, "Acme"))
    await feed.turn()
    assert figures(facts(feed, owner)) == (0, 0, 0.0, 0.0)
    call = new_call("a", organization_id=owner, started_at=feed.directory.now())
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await record_calls(other, [call])
        await feed.turn()
        assert figures(facts(feed, owner)) == (0, 0, 0.0, 0.0)
        # Another one commits first, and is read: the mark must not skip the one under way.
        await record(pool, replace(call, vapi_call_id="b"))
        await feed.turn()
        assert figures(facts(feed, owner)) == (1, 1, 0.0, 0.0)
        await transaction.commit()
    await feed.turn()
    assert figures(facts(feed, owner)) == (2, 2, 0.0, 0.0)
    await pool.execute("UPDATE callgate.calls SET ended_at = now(), status = 'ended'")
    await feed.turn()
    assert figures(facts(feed, owner)) == (0, 2, 0.0, 0.0)


async def test_a_replica_that_missed_the_differences_reads_all(pool: Pool) -> None:
    owner = uuid4()
    feed = feed_for(pool, Organization(owner, "Acme"))
    await feed.turn()
    await record(pool, new_call("a", organization_id=owner, started_at=feed.directory.now()))
    await UsageFolding(pool, after=0.0).fold()
    await feed.turn()
    assert figures(facts(feed, owner))[0] == 0
    feed.read_at -= 20
    await feed.turn()
    assert figures(facts(feed, owner))[0] == 1


async def test_only_earlier_calls_count_for_a_call_that_is_decided(pool: Pool) -> None:
    owner = uuid4()
    feed = feed_for(pool, Organization(owner, "Acme"))
    await feed.turn()
    memory = feed.memory
    for name in ("one", "two", "three"):
        memory.begin(name, owner)
    state, at = memory.states[owner], feed.directory.now()
    counts = [
        memory.sum_up(owner, state, state.period, at, name).live_calls
        for name in ("one", "two", "three", None)
    ]
    assert counts == [0, 1, 2, 3]
    memory.drop("one", owner)
    assert memory.sum_up(owner, state, state.period, at, "three").live_calls == 1


async def test_a_call_under_way_is_not_counted_against_itself(pool: Pool) -> None:
    """It was decided when it began; another replica may have to decide it again."""
    owner = uuid4()
    feed = feed_for(pool, Organization(owner, "Acme"))
    at = feed.directory.now()
    await record(pool, *(new_call(one, organization_id=owner, started_at=at) for one in "ab"))
    await feed.turn()
    memory, state = feed.memory, feed.memory.states[owner]
    counts = []
    for name in ("a", "c"):
        found = memory.sum_up(owner, state, state.period, at, name)
        counts.append((found.live_calls, found.calls_today, found.calls))
    assert counts == [(1, 1, 1), (2, 2, 2)]


async def test_the_period_follows_the_plan_and_the_time_zone(pool: Pool) -> None:
    owner = uuid4()
    end = NOW + timedelta(days=10)
    acme = Organization(owner, "Acme", plan=SubscriptionPlan("pro", "active", end))
    feed = feed_for(pool, acme)
    at = NOW - timedelta(days=40)
    for name, began in (("old", at), ("new", NOW - timedelta(hours=30))):
        call = new_call(
            name, organization_id=owner, started_at=began, ended_at=began, duration_seconds=60.0
        )
        await record(pool, call)
    await feed.turn()
    found = facts(feed, owner)
    assert found is not None
    assert (found.seconds, found.period_end) == (60.0, end)
    feed.directory.put(DirectoryEntry(replace(acme, plan=None, time_zone="Asia/Tokyo"), ()))
    await feed.turn()
    changed = facts(feed, owner)
    assert changed is not None
    assert changed.period_end.hour == 15
    assert changed.period_end != end


async def test_the_usage_of_a_period_is_read_as_soon_as_it_begins(pool: Pool) -> None:
    """Nothing of these organizations changes; a full reading may be a minute away."""
    ends, other = uuid4(), uuid4()
    feed = feed_for(pool, Organization(other, "Other"))
    end = feed.directory.now() + timedelta(days=10)
    plan = SubscriptionPlan("pro", "active", end, cancel_at_period_end=True)
    feed.directory.put(DirectoryEntry(Organization(ends, "Acme", plan=plan), ()))
    await feed.turn()
    before = feed.memory.states[other]
    feed.directory.clock.set(end + timedelta(seconds=1), time.monotonic(), time.monotonic())
    assert facts(feed, ends) is None, "the calendar month has days of the former period"
    await feed.turn()
    found = facts(feed, ends)
    assert found is not None
    assert found.period_start < end < found.period_end
    assert feed.memory.states[other] is before or before.period.until <= feed.directory.now()


async def test_another_period_is_unknown_or_unused(pool: Pool) -> None:
    owner = uuid4()
    feed = feed_for(pool, Organization(owner, "Acme"))
    assert facts(feed, owner) is None
    await record(
        pool,
        new_call("a", organization_id=owner, started_at=NOW, ended_at=NOW, duration_seconds=5.0),
    )
    await feed.turn()
    assert facts(feed, owner, NOW - timedelta(days=70)) is None
    later = facts(feed, owner, NOW + timedelta(days=70))
    assert later is not None
    assert (later.seconds, later.calls_today) == (0.0, 0)
    assert figures(facts(feed, uuid4())) == (0, 0, 0.0, 0.0)
