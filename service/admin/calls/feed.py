"""The live feed of calls: PostgreSQL is polled twice a second, and only while there are listeners.

It reads rows, not events: a listener that reconnects asks for all changes since its place. Readings
overlap, so a row whose transaction commits late is found too; a call may be sent twice but never
missed, and listeners replace calls by id.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import structlog

from service.background import BackgroundLoop
from service.store.calls import feed as store
from service.store.calls.feed import CallChange, CallSummary
from service.store.clock import get_now
from service.store.pool import UNAVAILABLE, Pool

POLL_SECONDS = 0.5
OVERLAP = timedelta(seconds=10)
"""How long after its start a transaction may commit; recording a call times out long before."""
MOST = 500
"""The most calls sent after a gap; beyond that a reload is quicker."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FeedItem:
    """`call`: a new or changed call, with the place to resume from. `reload`: too many were missed.
    `away` and `back`: PostgreSQL stopped answering, and answers again. `end`: the service stops."""

    kind: Literal["call", "reload", "away", "back", "end"]
    place: str = ""
    summary: CallSummary | None = None


@dataclass(eq=False, slots=True)
class FeedListener:
    """One listener. A slow one whose queue is full gets a `reload`."""

    most: int = MOST
    queue: asyncio.Queue[FeedItem] = field(init=False)

    def __post_init__(self) -> None:
        self.queue = asyncio.Queue(2 * self.most)

    def put(self, item: FeedItem) -> None:
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            item = FeedItem("reload")
        self.queue.put_nowait(item)


def place_of(at: datetime) -> str:
    """An instant as an event id: microseconds, the same in every replica."""
    return str((at - EPOCH) // timedelta(microseconds=1))


def read_place(text: str) -> datetime | None:
    """The inverse of `place_of`; None for an invalid id."""
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        return None
    return EPOCH + timedelta(microseconds=int(text))


class CallFeed:
    """One per replica; replicas do not share it."""

    def __init__(self, pool: Pool, most: int = MOST) -> None:
        self.pool = pool
        self.most = most
        self.listeners: set[FeedListener] = set()
        self.woken = asyncio.Event()
        self.seen: dict[UUID, datetime] = {}
        self.reached: datetime | None = None
        self.away = False

    async def place(self) -> str:
        """The feed's place now, which a page shows."""
        return place_of(await get_now(self.pool))

    @asynccontextmanager
    async def listen(self, since: str = "") -> AsyncIterator[FeedListener]:
        """Listen from a place (empty: from now on)."""
        listener = FeedListener(self.most)
        self.listeners.add(listener)
        self.woken.set()
        try:
            if since:
                await self.catch_up(listener, since)
            yield listener
        finally:
            self.listeners.discard(listener)

    async def catch_up(self, listener: FeedListener, since: str) -> None:
        """Send one listener the calls that it missed."""
        after = read_place(since)
        try:
            if after is None:
                listener.put(FeedItem("reload"))
                return
            changes = await store.list_changes(self.pool, after - OVERLAP, self.most + 1)
            if sum(change.updated_at > after for change in changes) > self.most:
                listener.put(FeedItem("reload"))
                return
            for item in await self.items(changes[-self.most :]):
                listener.put(item)
        except UNAVAILABLE:
            # Nothing was sent, so the place stays: the next connection asks for it again.
            listener.put(FeedItem("away"))
            listener.put(FeedItem("end"))

    def background(self) -> BackgroundLoop:
        """Poll every half second while there are listeners; else the loop rests."""
        return BackgroundLoop("call_feed", self.turn, wake=self.woken, outages=UNAVAILABLE)

    async def turn(self) -> float:
        """Poll once. Listeners learn of an outage; the place stays."""
        if not self.listeners:
            self.seen, self.reached = {}, None
            return math.inf
        try:
            await self.poll_once()
        except UNAVAILABLE:
            if not self.away:
                self.away = True
                self.send(FeedItem("away"))
            raise
        if self.away:
            self.away = False
            self.send(FeedItem("back"))
        return POLL_SECONDS

    async def poll_once(self) -> None:
        """Send the changes since the last reading, with the overlap."""
        if self.reached is None:
            self.reached = await get_now(self.pool)
        since = self.reached - OVERLAP
        changes = await store.list_changes(self.pool, since, 20 * self.most)
        fresh = [change for change in changes if self.seen.get(change.id) != change.updated_at]
        if len(fresh) > 2 * self.most:
            self.send(FeedItem("reload"))
        else:
            for item in await self.items(fresh):
                self.send(item)
        self.seen = {change.id: change.updated_at for change in changes}
        if changes:
            self.reached = max(self.reached, changes[-1].updated_at)

    async def items(self, changes: list[CallChange]) -> list[FeedItem]:
        """Changes as feed items."""
        found = await store.find_summaries(self.pool, [change.id for change in changes])
        return [
            FeedItem("call", place_of(change.updated_at), found[change.id])
            for change in changes
            if change.id in found
        ]

    def send(self, item: FeedItem) -> None:
        for listener in self.listeners:
            listener.put(item)

    async def stop(self, _app: object = None) -> None:
        """End the feed of every listener before the service stops."""
        self.send(FeedItem("end"))
