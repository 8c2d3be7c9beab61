"""What keeps the access directory fresh: it listens, beats, and reads what changed.

asyncpg does not listen again after a drop, and a half-open socket says nothing at all: so a
termination listener ends a session at once, and a heartbeat through NOTIFY itself proves that
changes arrive. Beats, changes and full reads do not wait for each other; after any gap everything is
read again. How PostgreSQL is reached, and how long an answer may take, is in the source.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from itertools import count, islice
from uuid import UUID, uuid4

import structlog

from service.access.directory import AccessDirectory
from service.access.feed.notices import BEAT, FeedNotices
from service.access.policies.choices import ChoicesInForce
from service.background import BackgroundLoop, wait_for
from service.store.organizations.directory import BATCH, DirectoryEntry, read_some
from service.store.organizations.feed_source import FeedSource
from service.store.policies.choices import read_choices
from service.store.pool import UNAVAILABLE, Pool

BEAT_SECONDS = 0.75
"""With the second that an answer may take, a dead connection is noticed within two."""
LEAST_SECONDS = 0.1
REREAD_SECONDS = 300.0
HEALTHY_SECONDS = 5.0
PAUSE_SECONDS = 0.25
REFRESH_SECONDS = 1.0
"""How long the answer to an admin waits until this replica has applied the change."""

log = structlog.get_logger()


class FeedLostError(Exception):
    """The listening connection ended, or notifications no longer arrive."""


class DirectoryFeed:
    """Fills the directory and keeps it fresh. `notices` are those of the running session, `touched` what
    was read by itself since a full read began or ended. `readings` numbers those through the pool, and
    `applied` has the newest that was put of each organization."""

    def __init__(
        self,
        source: FeedSource,
        pool: Pool,
        directory: AccessDirectory,
        choices: ChoicesInForce | None = None,
    ) -> None:
        self.followers: list[Callable[[], None]] = []
        self.source = source
        self.pool = pool
        self.directory = directory
        self.choices = choices or ChoicesInForce()
        self.choices.followers.append(self.notify_followers)
        self.notices: FeedNotices | None = None
        self.touched: set[UUID] = set()
        self.readings = count(1)
        self.applied: dict[UUID, int] = {}

    def background(self) -> BackgroundLoop:
        """Sessions, one after the other; each reads everything again."""
        return BackgroundLoop(
            "directory_feed",
            self.session,
            outages=(*UNAVAILABLE, FeedLostError),
            healthy_after=HEALTHY_SECONDS,
            first_pause=PAUSE_SECONDS,
        )

    async def session(self) -> None:
        """Listen, read all, then follow the changes until the listening connection is lost."""
        notices = FeedNotices()
        try:
            await self.source.listen(notices.take, notices.lose)
            self.notices = notices
            async with asyncio.TaskGroup() as group:
                group.create_task(self.keep_beating(notices))
                group.create_task(self.keep_applying(notices))
                group.create_task(self.keep_rereading(notices))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self.notices = None
            self.source.drop()

    async def keep_beating(self, notices: FeedNotices) -> None:
        """Beat until a beat does not arrive."""
        while not notices.lost.is_set():
            await self.beat(notices)
            await wait_for(notices.lost, BEAT_SECONDS)
        raise FeedLostError

    async def beat(self, notices: FeedNotices) -> None:
        """Send a notification to ourselves and wait for it; read the database's clock with it."""
        token = f"{BEAT}{uuid4()}"
        patience = self.source.listener.patience.seconds
        asked_at = time.monotonic()
        beat = await self.source.beat(token)
        answered_at = time.monotonic()
        self.directory.clock.set(beat.at, asked_at, answered_at)
        self.choices.take(beat.choices, asked_at)
        left = max(patience - (answered_at - asked_at), LEAST_SECONDS)
        if not await notices.wait_for_beat(token, left):
            raise FeedLostError
        notices.prove(asked_at)

    async def keep_applying(self, notices: FeedNotices) -> None:
        """Apply changes as they are named. A beat counts once what was named before it is applied."""
        while True:
            await notices.woken.wait()
            notices.woken.clear()
            proof = notices.proof
            if not await self.apply(notices):
                await asyncio.sleep(PAUSE_SECONDS)
            elif notices.whole and proof is not None:
                self.directory.record_heartbeat(proof)

    async def apply(self, notices: FeedNotices) -> bool:
        """Read what was named so far; False if that failed, and it is still named."""
        if notices.policies and not await self.apply_choices(notices):
            return False
        named, notices.changed = notices.changed, {}
        while named:
            batch, touched = list(islice(named, BATCH)), self.touched
            try:
                found = await self.source.read_some(batch)
            except UNAVAILABLE as exc:
                log.warning("directory.read_failed", error=type(exc).__name__)
                notices.put_back(named)
                return False
            if touched is not self.touched:
                # A full read began or ended meanwhile, and its snapshot may be newer.
                continue
            self.put(batch, found)
            for organization_id in batch:
                for waiting in named.pop(organization_id):
                    if not waiting.done():
                        waiting.set_result(None)
        return True

    async def apply_choices(self, notices: FeedNotices) -> bool:
        """Read the choices about policies for all organizations; False if that failed."""
        notices.policies = False
        try:
            await self.read_choices()
        except UNAVAILABLE as exc:
            log.warning("directory.read_failed", error=type(exc).__name__)
            notices.name_policies()
            return False
        return True

    async def read_choices(self) -> None:
        """Put the choices about policies for all organizations into force."""
        read_at = time.monotonic()
        self.choices.take(await self.source.read_choices(), read_at)

    def put(self, organization_ids: Iterable[UUID], found: Mapping[UUID, DirectoryEntry]) -> None:
        """Put what was read into the directory; what was not found is removed."""
        for organization_id in organization_ids:
            if (entry := found.get(organization_id)) is not None:
                self.directory.put(entry)
            else:
                self.directory.remove(organization_id)
            self.touched.add(organization_id)
        self.notify_followers()

    async def keep_rereading(self, notices: FeedNotices) -> None:
        """Read all after a gap, and at intervals."""
        while True:
            notices.gap.clear()
            try:
                await self.read_all()
            except UNAVAILABLE as exc:
                log.warning("directory.read_failed", error=type(exc).__name__)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            notices.close_gap()
            await wait_for(notices.gap, REREAD_SECONDS)

    async def read_all(self) -> None:
        """Build a new directory beside the old one and swap them; look-ups never wait.

        What was read by itself meanwhile stays, because it may be newer than the snapshot of the full
        read, and is read again, because it may be older. What is unchanged stays as an object, or
        each full read would make work for the garbage collector.
        """
        await self.read_choices()
        known = self.directory.entries
        self.touched = set()
        fresh = AccessDirectory()
        async with aclosing(self.source.read_all()) as batches:
            async for entries in batches:
                for entry in entries:
                    old = known.get(entry.organization.id)
                    fresh.put(old if old is not None and old == entry else entry)
        touched, self.touched = self.touched, set()
        for organization_id in touched:
            if self.notices is not None:
                self.notices.name(organization_id)
            if (kept := self.directory.entries.get(organization_id)) is not None:
                fresh.put(kept)
            else:
                fresh.remove(organization_id)
        self.directory.replace(fresh)
        self.notify_followers()
        log.info("directory.loaded", organizations=len(fresh.entries), numbers=len(fresh.numbers))

    def notify_followers(self) -> None:
        """Wake the loops that act on changes; each reads the state itself."""
        for follower in self.followers:
            follower()

    async def refresh_now(self, organization_id: UUID) -> None:
        """Apply this replica's own change at once, so that it holds for the next call.

        A failure is harmless: the notification of the same transaction brings the change too. So
        nothing waits here for longer than `REFRESH_SECONDS`.
        """
        notices = self.notices
        if notices is None:
            await self.read_now(organization_id)
            return
        applied = asyncio.get_running_loop().create_future()
        notices.name(organization_id, applied)
        await asyncio.wait({applied}, timeout=REFRESH_SECONDS)
        if not applied.done():
            log.warning("directory.refresh_failed", error="TimeoutError")

    async def refresh_choices(self) -> None:
        """Apply this replica's own change of the choices for all organizations at once; never fails."""
        read_at = time.monotonic()
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                self.choices.take(await read_choices(self.pool), read_at)
        except UNAVAILABLE as exc:
            log.warning("directory.refresh_failed", error=type(exc).__name__)

    async def read_now(self, organization_id: UUID) -> None:
        """Read an organization through the pool, where no session runs."""
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                number = next(self.readings)
                found = await read_some(self.pool, [organization_id])
        except UNAVAILABLE as exc:
            log.warning("directory.refresh_failed", error=type(exc).__name__)
            return
        if self.notices is not None:
            # A session began meanwhile, and may know better: what was read here may be older.
            self.notices.name(organization_id)
        elif number > self.applied.get(organization_id, 0):
            self.applied[organization_id] = number
            self.put([organization_id], found)
