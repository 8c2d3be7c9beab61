"""Conditions of this replica's own parts: directory, spool, hang-ups, loops, plugins, policies."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from service.access.build import Access
from service.access.feed.snapshot import age_of, format_age
from service.access.observers.conditions import list_ailing_observers
from service.access.policies.conditions import list_ailing, list_blockages, list_unloaded
from service.background import Background
from service.domain.conditions import Condition, clock_condition, condition
from service.domain.wording.labels import format_seconds, format_utc
from service.relay.delivery import Relay
from service.vapi.reach import VapiReach

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class ReplicaConditions:
    """Reads them from memory; takes no time."""

    access: Access
    background: Background
    relay: Relay
    reach: VapiReach
    of_start: Callable[[], Iterable[Condition]] = tuple

    def read(self) -> list[Condition]:
        return [
            *self.of_start(),
            *self.of_directory(),
            *self.of_clock(),
            *self.of_calls(),
            *self.of_vapi(),
            *self.of_loops(),
            *self.of_policies(),
            *self.of_relay(),
        ]

    def of_directory(self) -> Iterator[Condition]:
        """Whether the access directory is loaded, and whether changes still reach it."""
        directory = self.access.directory
        if not directory.loaded:
            yield condition("directory_not_loaded")
        elif directory.basis != "fresh":
            as_of = self.access.snapshots.restored
            if as_of is not None:
                yield condition("started_from_snapshot", age=format_age(age_of(as_of)))
            else:
                yield condition("directory_stale", seconds=round(directory.age_seconds))

    def of_clock(self) -> Iterator[Condition]:
        """How far this machine's clock is from the database's, by which all rules are judged."""
        ahead = self.access.directory.clock.ahead_seconds
        if ahead is not None and (skewed := clock_condition(ahead)) is not None:
            yield skewed

    def of_calls(self) -> Iterator[Condition]:
        """What delays hang-ups and records of calls."""
        if not self.access.worker.alive:
            yield condition("hangup_worker_down")
        if self.access.spool.waiting:
            yield condition("spool_waiting", records=self.access.spool.waiting)

    def of_vapi(self) -> Iterator[Condition]:
        """Whether Vapi answers this replica."""
        if (seconds := self.reach.away_seconds) and self.reach.since is not None:
            age, since = format_seconds(round(seconds)), format_utc(self.reach.since)
            yield condition("vapi_unreachable", age=age, since=since, error=self.reach.last_error)

    def of_loops(self) -> Iterator[Condition]:
        """Background loops that died and restart, or that ended."""
        down = [loop for loop in self.background.states() if loop.status != "running"]
        if down:
            loops = ", ".join(
                f"{loop.name} ({loop.status}{loop.last_error and ': '}{loop.last_error})"
                for loop in down
            )
            yield condition("background_loops_down", loops=loops)

    def of_policies(self) -> Iterator[Condition]:
        """Plugins that were not loaded, policies and observers that fail or are slow, and what blocked
        the loop."""
        access = self.access
        yield from list_unloaded(access.policies.problems, access.policies.missing)
        yield from list_ailing(access.policies.chain)
        yield from list_blockages(access.watchdog)
        yield from list_ailing_observers(access.observers.describe())
        if access.limits.memory.by_share:
            yield condition("limits_by_share")

    def of_relay(self) -> Iterator[Condition]:
        """Servers of organizations that do not take their messages, and messages on the disk."""
        if messages := self.relay.lasting.spool.on_disk:
            yield condition("relay_spool_waiting", messages=messages)
        entries = self.access.directory.entries
        names = [
            entries[owner].organization.name
            for owner in self.relay.servers.failing()
            if owner in entries
        ]
        if names:
            more = len(names) - MOST_NAMED
            listed = ", ".join(sorted(names)[:MOST_NAMED]) + (
                f" and {more} more" if more > 0 else ""
            )
            yield condition("relay_failing", organizations=listed)
