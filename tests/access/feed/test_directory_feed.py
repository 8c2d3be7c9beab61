"""The feed of the directory: what it proves, in which order it applies, and what waits for what."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

from service.access.directory import FRESH_SECONDS, AccessDirectory
from service.access.feed.directory_feed import DirectoryFeed
from service.store.organizations.directory import BATCH, DirectoryEntry
from service.store.organizations.feed_source import LISTENER, READER, FeedSource
from service.store.pool import Pool
from tests.support.service import eventually
from tests.support.tcp_proxy import named, proxied

ADD = "INSERT INTO callgate.organizations (name) VALUES ('Bakery') RETURNING id"
MANY = "INSERT INTO callgate.organizations (name) SELECT 'Many' FROM generate_series(1, $1)"
RENAME = "UPDATE callgate.organizations SET name = $2 WHERE id = $1"
BOUND_SECONDS = 5.0


class PausedSource(FeedSource):
    """A source whose full reads pause after their first batch until `going_on` is set."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.paused = asyncio.Event()
        self.going_on = asyncio.Event()
        self.going_on.set()

    async def read_all(self) -> AsyncGenerator[list[DirectoryEntry], None]:
        async for entries in super().read_all():
            yield entries
            if not self.going_on.is_set():
                self.paused.set()
                await self.going_on.wait()


@asynccontextmanager
async def following(source: FeedSource, pool: Pool) -> AsyncIterator[DirectoryFeed]:
    """A running feed whose directory is fresh."""
    feed = DirectoryFeed(source, pool, AccessDirectory())
    loop = feed.background()
    loop.start()
    try:
        await basis_is(feed, "fresh")
        yield feed
    finally:
        await loop.stop()


async def basis_is(feed: DirectoryFeed, wanted: str) -> None:
    async def reached() -> bool:
        return feed.directory.basis == wanted

    await eventually(reached)


async def knows(feed: DirectoryFeed, owner: UUID, name: str) -> None:
    """Wait until the directory has a name: as long as a change may take under a fault."""

    async def known() -> bool:
        entry = feed.directory.entries.get(owner)
        return entry is not None and entry.organization.name == name

    await eventually(known, BOUND_SECONDS)


async def test_a_half_open_listener_is_noticed_and_the_gap_is_read(dsn: str, pool: Pool) -> None:
    async with proxied(dsn) as proxy, following(FeedSource(proxy.dsn), pool) as feed:
        with proxy.fault("black_hole", named(LISTENER)):
            owner = await pool.fetchval(ADD)
            await basis_is(feed, "last_known_good")
            assert feed.directory.age_seconds >= FRESH_SECONDS
        await knows(feed, owner, "Bakery")
        await basis_is(feed, "fresh")


async def test_a_stalled_reading_is_repeated_on_another_connection(dsn: str, pool: Pool) -> None:
    async with proxied(dsn) as proxy, following(FeedSource(proxy.dsn), pool) as feed:
        owner = await pool.fetchval(ADD)
        await knows(feed, owner, "Bakery")
        stalled = {one for one in proxy.connections if one.application_name == READER}
        assert stalled
        with proxy.fault("stall", lambda one: one in stalled):
            await pool.execute(RENAME, owner, "Second")
            await knows(feed, owner, "Second")
            await basis_is(feed, "fresh")


async def test_nothing_is_proved_while_a_change_is_not_applied(dsn: str, pool: Pool) -> None:
    """Beats arrive all the time, but the change that came before them cannot be read."""
    async with proxied(dsn) as proxy, following(FeedSource(proxy.dsn), pool) as feed:
        with proxy.fault("refuse", named(READER)):
            proxy.cut(named(READER))
            owner = await pool.fetchval(ADD)
            await basis_is(feed, "last_known_good")
            assert feed.notices is not None
        await knows(feed, owner, "Bakery")
        await basis_is(feed, "fresh")


async def test_a_change_of_this_replica_waits_for_no_stuck_reading(dsn: str, pool: Pool) -> None:
    async with proxied(dsn) as proxy, following(FeedSource(proxy.dsn), pool) as feed:
        with proxy.fault("black_hole", named(READER)):
            owner = await pool.fetchval(ADD)
            began = time.monotonic()
            await feed.refresh_now(owner)
            assert time.monotonic() - began < BOUND_SECONDS
        await pool.execute(RENAME, owner, "Second")
        await knows(feed, owner, "Second")
        await pool.execute(RENAME, owner, "Third")
        await feed.refresh_now(owner)
        assert feed.directory.entries[owner].organization.name == "Third"


async def test_without_a_session_a_change_of_this_replica_is_read_through_the_pool(
    dsn: str, pool: Pool
) -> None:
    feed = DirectoryFeed(FeedSource(dsn), pool, AccessDirectory())
    owner = await pool.fetchval(ADD)
    await feed.refresh_now(owner)
    assert feed.directory.entries[owner].organization.name == "Bakery"


async def test_a_full_read_delays_nothing_and_undoes_no_newer_change(dsn: str, pool: Pool) -> None:
    await pool.execute(MANY, BATCH)
    changed, removed = await pool.fetchval(ADD), await pool.fetchval(ADD)
    source = PausedSource(dsn)
    async with following(source, pool) as feed:
        source.going_on.clear()
        await pool.execute("SELECT pg_notify('callgate_directory', '')")
        await source.paused.wait()
        await pool.execute(RENAME, changed, "Second")
        await pool.execute("DELETE FROM callgate.organizations WHERE id = $1", removed)
        await knows(feed, changed, "Second")
        entries = feed.directory.entries
        source.going_on.set()

        async def replaced() -> bool:
            return feed.directory.entries is not entries

        await eventually(replaced)
        assert feed.directory.entries[changed].organization.name == "Second"
        assert removed not in feed.directory.entries
        assert len(feed.directory.entries) == BATCH + 1


async def test_a_periodic_full_read_keeps_the_directory_fresh(dsn: str, pool: Pool) -> None:
    """Beats go on while it lasts, and what they prove counts."""
    await pool.execute(MANY, BATCH)
    source = PausedSource(dsn)
    async with following(source, pool) as feed:
        source.going_on.clear()
        reading = asyncio.create_task(feed.read_all())
        await source.paused.wait()
        last = feed.directory.heartbeat_at

        async def beaten() -> bool:
            return feed.directory.heartbeat_at > last

        await eventually(beaten)
        source.going_on.set()
        await reading


class SlowSource(FeedSource):
    """A source whose readings of some organizations return late what they found, when `slow`."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.slow = False
        self.found = asyncio.Event()
        self.going_on = asyncio.Event()

    async def read_some(self, organization_ids: Sequence[UUID]) -> dict[UUID, DirectoryEntry]:
        entries = await super().read_some(organization_ids)
        if self.slow:
            self.slow = False
            self.found.set()
            await self.going_on.wait()
        return entries


async def test_a_reading_that_began_before_a_full_one_does_not_undo_it(
    dsn: str, pool: Pool
) -> None:
    """A restore by hand names no organization: nothing would read it again for minutes."""
    source = SlowSource(dsn)
    async with following(source, pool) as feed:
        owner = await pool.fetchval(ADD)
        await knows(feed, owner, "Bakery")
        source.slow = True
        assert feed.notices is not None
        feed.notices.name(owner)
        await source.found.wait()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(RENAME, owner, "Restored")
        feed.notices.take("")
        await knows(feed, owner, "Restored")
        source.going_on.set()
        await asyncio.sleep(0.2)
        assert feed.directory.entries[owner].organization.name == "Restored"


class LatePool:
    """A pool whose first rows come late."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.readings = 0
        self.found = asyncio.Event()
        self.going_on = asyncio.Event()

    async def fetch(self, *statement: Any) -> Any:
        self.readings += 1
        first = self.readings == 1
        rows = await self.pool.fetch(*statement)
        if first:
            self.found.set()
            await self.going_on.wait()
        return rows


async def test_two_changes_that_are_read_through_the_pool_keep_their_order(
    dsn: str, pool: Pool
) -> None:
    late = LatePool(pool)
    feed = DirectoryFeed(FeedSource(dsn), cast("Pool", late), AccessDirectory())
    owner = await pool.fetchval(ADD)
    first = asyncio.create_task(feed.refresh_now(owner))
    await late.found.wait()
    await pool.execute(RENAME, owner, "Second")
    await feed.refresh_now(owner)
    late.going_on.set()
    await first
    assert feed.directory.entries[owner].organization.name == "Second"
