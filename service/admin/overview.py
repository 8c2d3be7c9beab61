"""The figures of the overview: how things stand, and what needs a person."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from service.store.calls import metrics as store
from service.store.calls.metrics import EndingTrial, Hour
from service.store.clock import get_now
from service.store.pool import Pool
from service.store.reconcile import state, sweeps
from service.store.reconcile import states as webhook_states
from service.store.reconcile.sweeps import LastSweep

HOUR = timedelta(hours=1)
HOURS = 24
DAYS = 14
SETTLED = timedelta(minutes=1)
"""How long after its end an hour may still get calls: their transactions began in it."""
SHOWN_TRIALS = 8

NeedKind = Literal[
    "sweep_held",
    "fights",
    "shadowed",
    "missing",
    "failed",
    "key_refused",
    "paused",
    "unknown_numbers",
    "failed_hangups",
    "plugin",
]


class UnloadedPlugin(Protocol):
    """A plugin that could not be loaded."""

    @property
    def plugin(self) -> str: ...

    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a person has to see to, in a sentence; the kind tells where it is solved."""

    kind: NeedKind
    text: str


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of one day in UTC."""

    at: datetime
    calls: int
    blocked: int


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """`hours` are the last 24, the running one last; `blocked` counts their blocked calls by reason,
    most first."""

    now: datetime
    numbers: Mapping[str, int]
    live: int
    hours: Sequence[Hour]
    days: Sequence[Day]
    blocked: Sequence[tuple[str, int]]
    trials_ending: int
    trials: Sequence[EndingTrial]
    last_sweep: LastSweep | None
    needs: Sequence[Need]

    @property
    def calls_today(self) -> int:
        return sum(hour.calls for hour in self.hours)

    @property
    def blocked_today(self) -> int:
        return sum(count for _, count in self.blocked)


def many(count: int, one: str, several: str) -> str:
    """A count with the words for it."""
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


class Overview:
    """Reads the figures. Hours that are over do not change: they are counted once a process.

    `key` is the fingerprint of the key to Vapi that is in use.
    """

    def __init__(self, pool: Pool, key: str, problems: Sequence[UnloadedPlugin] = ()) -> None:
        self.pool = pool
        self.key = key
        self.problems = problems
        self.closed: dict[datetime, Hour] = {}
        self.lock = asyncio.Lock()

    async def figures(self) -> OverviewFigures:
        """How things stand now."""
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
            needs=await self.needs(states),
        )

    async def hours(self, now: datetime) -> list[Hour]:
        """The hours of the last days, the running one last."""
        running = now.replace(minute=0, second=0, microsecond=0)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * 24 * HOUR
        wanted = [first + n * HOUR for n in range((running - first) // HOUR + 1)]
        missing = [at for at in wanted if at not in self.closed]
        counted = await store.count_hours(self.pool, missing[0], running + HOUR)
        for at in missing:
            if at + HOUR + SETTLED < now:
                self.closed[at] = counted.get(at) or Hour(at)
        self.closed = {at: hour for at, hour in self.closed.items() if at >= first}
        return [self.closed.get(at) or counted.get(at) or Hour(at) for at in wanted]

    async def needs(self, states: Mapping[str, int]) -> list[Need]:
        """What needs a person, the most pressing first."""
        row = await state.get(self.pool)
        fights, _ = await webhook_states.count_special(self.pool)
        needs: list[Need] = []
        if row.key_refused_at is not None and row.key_fingerprint == self.key:
            text = (
                "Vapi refuses VAPI_API_KEY: blocked calls may not be hung up, nothing is repaired."
            )
            needs.append(Need("key_refused", text))
        if hangups := await store.count_failed_hangups(self.pool):
            said = many(hangups, "blocked call", "blocked calls")
            needs.append(Need("failed_hangups", f"Nothing proves that {said} of today ended."))
        if row.held is not None:
            said = many(int(row.held.get("drifted") or 0), "number", "numbers")
            text = f"A sweep would change {said}, more than usual, and waits for your word."
            needs.append(Need("sweep_held", text))
        if row.pause is not None:
            needs.append(
                Need("paused", f"Repairs are paused by {row.pause.by}: {row.pause.reason}")
            )
        told: tuple[tuple[NeedKind, int, str], ...] = (
            ("fights", fights, "changed back again and again by somebody else"),
            ("missing", states.get("missing", 0), "not at Vapi any more"),
            ("shadowed", states.get("shadowed", 0), "overruled at Vapi by what is not ours"),
            ("failed", states.get("failed", 0), "not guarded: the last repair failed"),
        )
        for kind, count, words in told:
            if count:
                verb = "is" if count == 1 else "are"
                needs.append(Need(kind, f"{many(count, 'number', 'numbers')} {verb} {words}."))
        if waiting := await store.count_waiting_numbers(self.pool):
            said = many(waiting, "number that nobody registered", "numbers that nobody registered")
            needs.append(Need("unknown_numbers", f"Calls come from {said}."))
        needs.extend(
            Need("plugin", f"The plugin {problem.plugin} could not be loaded: {problem.message}")
            for problem in self.problems
        )
        return needs


def days_of(hours: Sequence[Hour]) -> list[Day]:
    """Hours summed up by days."""
    days: dict[datetime, tuple[int, int]] = {}
    for hour in hours:
        at = hour.at.replace(hour=0)
        calls, blocked = days.get(at, (0, 0))
        days[at] = (calls + hour.calls, blocked + sum(hour.blocked.values()))
    return [Day(at, calls, blocked) for at, (calls, blocked) in days.items()]
