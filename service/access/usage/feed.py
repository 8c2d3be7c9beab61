"""Keeps the usage in memory fresh: reads organizations whose usage, plan or time zone has changed."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from service.access.directory import AccessDirectory
from service.access.usage.memory import UsageMemory
from service.background import BackgroundLoop
from service.domain.organizations import Organization
from service.domain.usage.periods import billing_period, day_of, zone_of
from service.store.pool import UNAVAILABLE, Pool, snapshot
from service.store.usage.changes import (
    Spans,
    find_stored_calls,
    list_changed,
    read_states,
)
from service.store.usage.folding import FOLD_AFTER_SECONDS

EVERY_SECONDS = 0.5
LOADING_SECONDS = 0.05
ALL_SECONDS = 60.0
"""How often all organizations are read: periods end, and a failover loses changes."""
MOST_LATE_SECONDS = FOLD_AFTER_SECONDS / 2
"""After a pause this long, differences may have been folded unseen: all are read."""
BATCH = 250
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class UsageFeed:
    """Reads what has changed: twice a second, and when it is woken by a change of an organization."""

    pool: Pool
    directory: AccessDirectory
    memory: UsageMemory
    mark: str | None = None
    read_at: float = float("-inf")
    all_read_at: float = float("-inf")
    next_end: datetime = NEVER
    """When the first of the periods ends whose usage was read."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    known: dict[UUID, Organization] = field(default_factory=dict)
    """The organizations as they were when their usage was read."""

    def background(self) -> BackgroundLoop:
        return BackgroundLoop("usage", self.turn, wake=self.woken, outages=UNAVAILABLE)

    def wake(self) -> None:
        """Read soon: an organization may have another plan, and with it another period."""
        self.woken.set()

    async def turn(self) -> float:
        """Read the usage of organizations that need it, or of all if it is time.

        Returns the seconds until the next turn.
        """
        if not self.directory.loaded:
            return LOADING_SECONDS
        began = time.monotonic()
        mark, changed = await list_changed(self.pool, self.mark)
        whole = began - self.all_read_at > ALL_SECONDS or began - self.read_at > MOST_LATE_SECONDS
        entries = {one: entry.organization for one, entry in self.directory.entries.items()}
        ended = self.list_ended()
        if not whole:
            waiting = changed | ended | self.memory.calls.keys()
            entries = {
                owner: one
                for owner, one in entries.items()
                if owner in waiting or self.known.get(owner) is not one
            }
        await self.read(entries.values())
        self.mark, self.read_at = mark, began
        if ended or whole:
            ends = (one.period.until for one in self.memory.states.values())
            self.next_end = min(ends, default=NEVER)
        if whole:
            self.all_read_at, self.memory.loaded = began, True
            self.forget()
        return EVERY_SECONDS

    async def read(self, organizations: Iterable[Organization]) -> None:
        """Read the usage of these organizations, some at a time."""
        left = list(organizations)
        while left:
            batch, left = left[:BATCH], left[BATCH:]
            owners = [one.id for one in batch]
            noted = self.memory.noted(owners)
            async with snapshot(self.pool) as connection:
                states = await read_states(connection, {one.id: self.spans(one) for one in batch})
                # The figures may have what was recorded in between, or not: its rows tell.
                noted = {**dict.fromkeys(self.memory.noted(owners)), **noted}
                found = await find_stored_calls(connection, [call_id for call_id, _ in noted])
            self.memory.put(states, found, noted)
            self.known.update({one.id: one for one in batch})
            self.next_end = min(self.next_end, *(one.period.until for one in states.values()))

    def list_ended(self) -> set[UUID]:
        """Organizations whose period has ended since it was read."""
        now = self.directory.now()
        if now < self.next_end:
            return set()
        states = self.memory.states.items()
        return {owner for owner, one in states if one.period.until <= now}

    def spans(self, organization: Organization) -> Spans:
        """The periods of an organization that count now."""
        now, zone = self.directory.now(), zone_of(organization.time_zone)
        return billing_period(organization.plan, now, zone), day_of(now, zone)

    def forget(self) -> None:
        """Drop organizations that are gone."""
        for owner in self.known.keys() - self.directory.entries.keys():
            del self.known[owner]
            self.memory.states.pop(owner, None)
        for owner in self.memory.calls.keys() - self.directory.entries.keys():
            for call_id in list(self.memory.calls[owner].calls):
                self.memory.drop(call_id, owner)
