"""What keeps the access directory fresh: one supervised connection that listens, beats and re-reads.

asyncpg does not listen again after a drop, and a half-open socket says nothing at all: so a
termination listener ends a session at once, and a heartbeat through NOTIFY itself proves that
changes arrive. After any gap everything is read again.
"""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import structlog

from service.access.directory import AccessDirectory
from service.background import BackgroundLoop
from service.store.organizations import directory as store
from service.store.pool import UNAVAILABLE, Connection, Pool, connect

BEAT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
REREAD_SECONDS = 300.0
HEALTHY_SECONDS = 5.0
BEAT = "beat:"

log = structlog.get_logger()


class FeedLostError(Exception):
    """The listening connection ended, or notifications no longer arrive."""


class DirectoryFeed:
    """Fills the directory and keeps it fresh."""

    def __init__(self, dsn: str, pool: Pool, directory: AccessDirectory) -> None:
        self.dsn = dsn
        self.pool = pool
        self.directory = directory
        self.changed: set[UUID] = set()
        self.all_changed = False
        self.lost = False
        self.beats: set[str] = set()
        self.woken = asyncio.Event()
        self.followers: list[Callable[[], None]] = []
        self.reading = asyncio.Lock()

    def background(self) -> BackgroundLoop:
        """Sessions, one after the other; each reads everything again."""
        return BackgroundLoop(
            "directory_feed",
            self.session,
            outages=(*UNAVAILABLE, FeedLostError),
            healthy_after=HEALTHY_SECONDS,
        )

    async def session(self) -> None:
        """Listen, read all, then follow the changes until the connection is lost."""
        connection = await connect(self.dsn)
        try:
            self.lost, self.all_changed = False, False
            self.changed.clear()
            connection.add_termination_listener(self.on_termination)
            await connection.add_listener(store.CHANNEL, self.on_notification)
            await self.beat(connection)
            await self.read_all(connection)
            await self.follow(connection)
        finally:
            connection.terminate()

    async def follow(self, connection: Connection) -> None:
        """Apply changes as they come, beat in between, re-read all at intervals."""
        beat_at = time.monotonic() + BEAT_SECONDS
        reread_at = time.monotonic() + REREAD_SECONDS
        while True:
            await self.wait(beat_at - time.monotonic())
            if self.lost:
                raise FeedLostError
            await self.apply_changes()
            if self.all_changed or time.monotonic() >= reread_at:
                self.all_changed = False
                await self.read_all(connection)
                reread_at = time.monotonic() + REREAD_SECONDS
            if time.monotonic() >= beat_at:
                await self.beat(connection)
                beat_at = time.monotonic() + BEAT_SECONDS

    async def wait(self, seconds: float) -> None:
        """Sleep until a notification arrives, at most `seconds`."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self.woken.wait()
        except TimeoutError:
            pass
        self.woken.clear()

    async def beat(self, connection: Connection) -> None:
        """Send a notification to ourselves and wait for it; read the database's clock with it.

        Notifications sent before it have arrived by then, but are applied only afterwards: the
        heartbeat counts once every change is applied.
        """
        token = f"{BEAT}{uuid4()}"
        async with asyncio.timeout(ANSWER_SECONDS):
            before = time.monotonic()
            database_time = await connection.fetchval(store.BEAT, token)
            after = time.monotonic()
            while token not in self.beats:
                if self.lost:
                    raise FeedLostError
                self.woken.clear()
                await self.woken.wait()
        self.beats.clear()
        self.woken.set()
        self.directory.clock.set(database_time, (before + after) / 2)
        if self.directory.loaded:
            await self.apply_changes()
            self.directory.record_heartbeat()

    async def read_all(self, connection: Connection) -> None:
        """Build a new directory beside the old one and swap them; look-ups never wait."""
        fresh = AccessDirectory()
        async with self.reading:
            async for entries in store.read_all(connection):
                for entry in entries:
                    fresh.put(entry)
                await asyncio.sleep(0)
            self.directory.replace(fresh)
        await self.apply_changes()
        self.directory.record_heartbeat()
        self.notify_followers()
        log.info("directory.loaded", organizations=len(fresh.entries), numbers=len(fresh.numbers))

    async def apply_changes(self) -> None:
        """Re-read the organizations that notifications named."""
        while self.changed:
            named = list(self.changed)
            self.changed.clear()
            try:
                await self.refresh(named)
            except BaseException:
                self.changed.update(named)
                raise

    async def refresh(self, organization_ids: list[UUID]) -> None:
        """Bring these organizations up to date now.

        Refreshes run one after the other: an older reading must not overwrite a newer one.
        """
        async with self.reading:
            entries = await store.read_some(self.pool, organization_ids)
            for organization_id in organization_ids:
                if (entry := entries.get(organization_id)) is not None:
                    self.directory.put(entry)
                else:
                    self.directory.remove(organization_id)
        self.notify_followers()

    def notify_followers(self) -> None:
        """Wake the loops that act on changes; each reads the state itself."""
        for follower in self.followers:
            follower()

    async def refresh_now(self, organization_id: UUID) -> None:
        """Apply this replica's own change at once, so that it holds for the next call.

        A failure is harmless: the notification of the same transaction brings the change too.
        """
        try:
            await self.refresh([organization_id])
        except UNAVAILABLE as exc:
            log.warning("directory.refresh_failed", error=type(exc).__name__)

    def on_notification(
        self, _connection: object, _pid: int, _channel: str, payload: object
    ) -> None:
        text = str(payload)
        if text.startswith(BEAT):
            self.beats.add(text)
        elif text:
            try:
                self.changed.add(UUID(text))
            except ValueError:
                self.all_changed = True
        else:
            self.all_changed = True
        self.woken.set()

    def on_termination(self, _connection: object) -> None:
        self.lost = True
        self.woken.set()
