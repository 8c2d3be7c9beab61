"""The figures of the overview, and the conditions that need attention."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from service.domain.conditions import Condition
from service.store.calls import metrics as store
from service.store.calls.metrics import EndingTrial, Hour
from service.store.clock import get_now
from service.store.pool import Pool
from service.store.reconcile import states as webhook_states
from service.store.reconcile import sweeps
from service.store.reconcile.sweeps import LastSweep

HOUR = timedelta(hours=1)
HOURS = 24
DAYS = 14
SETTLED = timedelta(minutes=1)
"""How long after its end an hour may still get calls, from transactions that began in it; and how long
before their commit changes may have begun."""
SHOWN_TRIALS = 8


class ConditionReader(Protocol):
    """Reads the conditions."""

    async def read(self) -> Sequence[Condition]: ...


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of one day in UTC."""

    at: datetime
    calls: int
    blocked: int


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """`hours` are the last 24, the current one last; `blocked` counts their blocked calls by reason,
    most frequent first."""

    now: datetime
    numbers: Mapping[str, int]
    live: int
    hours: Sequence[Hour]
    days: Sequence[Day]
    blocked: Sequence[tuple[str, int]]
    trials_ending: int
    trials: Sequence[EndingTrial]
    last_sweep: LastSweep | None
    conditions: Sequence[Condition]

    @property
    def needs_attention(self) -> bool:
        """Whether a condition is more than a notice."""
        return any(one.severity != "notice" for one in self.conditions)

    @property
    def has_holes(self) -> bool:
        """Whether blocked calls of some kind may get through, although each number is in sync."""
        return any(one.kind == "coverage_hole" for one in self.conditions)

    @property
    def calls_today(self) -> int:
        return sum(hour.calls for hour in self.hours)

    @property
    def blocked_today(self) -> int:
        return sum(count for _, count in self.blocked)


class Overview:
    """Reads the figures. Each past hour is counted once per process; one of the last 24 again if a call
    of it has changed, so that the figures stay those of the lists that they lead to."""

    def __init__(self, pool: Pool, conditions: ConditionReader) -> None:
        self.pool = pool
        self.conditions = conditions
        self.closed: dict[datetime, Hour] = {}
        self.read_at: datetime | None = None
        self.lock = asyncio.Lock()

    async def figures(self) -> OverviewFigures:
        """The figures as of now."""
        now = await get_now(self.pool)
        async with self.lock:
            hours = await self.hours(now)
        blocked: Counter[str] = Counter()
        for hour in hours[-HOURS:]:
            blocked.update(hour.blocked)
        states = await webhook_states.count_by_state(self.pool)
        count, trials = await store.list_ending_trials(self.pool, SHOWN_TRIALS)
        return OverviewFigures(
            now=now,
            numbers=states,
            live=await store.count_live(self.pool),
            hours=hours[-HOURS:],
            days=days_of(hours),
            blocked=blocked.most_common(),
            trials_ending=count,
            trials=trials,
            last_sweep=await sweeps.find_last_full(self.pool),
            conditions=await self.conditions.read(),
        )

    async def hours(self, now: datetime) -> list[Hour]:
        """The hours of the last days, the current one last."""
        running = now.replace(minute=0, second=0, microsecond=0)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * 24 * HOUR
        wanted = [first + n * HOUR for n in range((running - first) // HOUR + 1)]
        await self.forget_changed(now, wanted[-HOURS:])
        missing = [at for at in wanted if at not in self.closed]
        counted = await store.count_hours(self.pool, missing[0], running + HOUR)
        for at in missing:
            if at + HOUR + SETTLED < now:
                self.closed[at] = counted.get(at) or Hour(at)
        self.closed = {at: hour for at, hour in self.closed.items() if at >= first}
        return [self.closed.get(at) or counted.get(at) or Hour(at) for at in wanted]

    async def forget_changed(self, now: datetime, last: Sequence[datetime]) -> None:
        """Count the hours of `last` again that changed since the last reading; all, if that is old."""
        changed = last
        if self.read_at is not None and now - self.read_at < HOUR:
            since = self.read_at - SETTLED
            changed = await store.list_changed_hours(self.pool, since, last[0], last[-1])
        for at in changed:
            self.closed.pop(at, None)
        self.read_at = now


def days_of(hours: Sequence[Hour]) -> list[Day]:
    """Sums of the hours by day."""
    days: dict[datetime, tuple[int, int]] = {}
    for hour in hours:
        at = hour.at.replace(hour=0)
        calls, blocked = days.get(at, (0, 0))
        days[at] = (calls + hour.calls, blocked + sum(hour.blocked.values()))
    return [Day(at, calls, blocked) for at, (calls, blocked) in days.items()]
