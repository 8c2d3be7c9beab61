"""The conditions of an installation: those that are stored, and those of this replica.

Readiness, overview, doctor, metrics and the panel's banners show what is collected here.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.admin.phone_numbers.coverage import HoleCount, count_holes
from service.admin.relay import read_parked
from service.admin.usage.limits import LimitConditions
from service.admin.usage.usage import UsageReports
from service.background import BackgroundLoop
from service.domain.conditions import CONDITIONS, Condition, by_urgency, condition
from service.domain.coverage.holes import HoleKind
from service.domain.phone_numbers import Pause
from service.domain.wording.labels import format_count, format_utc
from service.store import doctor, roles
from service.store.bounded import at_most
from service.store.calls import metrics
from service.store.calls.claims import count_claimed
from service.store.people import sessions
from service.store.phone_numbers import transfers
from service.store.phone_numbers.concerned import (
    NUMBER_CONDITIONS,
    NumberCondition,
    count_concerned,
)
from service.store.phone_numbers.unanswered import count_unanswered
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import state, states
from service.store.reconcile.lists import ListFaults, find_list_faults
from service.store.reconcile.sealing import count_lost
from service.store.reconcile.state import Reconciliation
from service.store.vault import Vault

EVERY_SECONDS = 5.0
COVERAGE_SECONDS = 60.0
"""How long counted coverage holes are reused: counting them reads all numbers."""
DATABASE_SECONDS = 1.0
SHOWN_CIRCLES = 5

NUMBER_KINDS: Mapping[str, str] = {
    "missing": "numbers_missing",
    "shadowed": "numbers_shadowed",
    "failed": "numbers_failed",
    "drifted": "numbers_drifted",
    "pending": "numbers_waiting",
}
"""The kind of condition of numbers in each state that needs attention."""

SHOWN_BY_NUMBER: frozenset[HoleKind] = frozenset({"not_in_sync", "shadowed", "no_answer"})
"""Holes that the conditions of the numbers already say."""

UNSEEN: frozenset[HoleKind] = frozenset({"web_unregistered"})
"""Only a hole if such calls exist, which cannot be seen from here."""


def format_numbers(count: int) -> str:
    return format_count(count, "number", "numbers")


def pause_values(pause: Pause) -> dict[str, str]:
    """Who paused, why, since when and until when, for a sentence."""
    until = format_utc(pause.until) if pause.until else "an admin resumes it"
    return {
        "by": pause.by,
        "reason": pause.reason.rstrip("."),
        "since": format_utc(pause.at),
        "until": until,
    }


def reconcile_conditions(row: Reconciliation, key: str) -> Iterator[Condition]:
    """What keeps all numbers from being repaired. `key` is the fingerprint of VAPI_API_KEY here."""
    if row.key_refused_at is not None:
        kind = "key_refused" if row.key_fingerprint == key else "other_key_refused"
        yield condition(kind, since=format_utc(row.key_refused_at))
    if row.held is not None:
        numbers = format_numbers(int(row.held.get("to_repair") or row.held.get("drifted") or 0))
        yield condition("sweep_held", numbers=numbers, plan=row.held.get("plan"))
    if row.pause is not None:
        yield condition("repairs_paused", **pause_values(row.pause))


def list_conditions(faults: ListFaults) -> Iterator[Condition]:
    """Lists of Vapi that were incomplete, or contained unreadable elements, when last read."""
    if faults.gap:
        yield condition("list_incomplete", gap=faults.gap)
    if faults.malformed:
        yield condition("list_malformed", elements=faults.malformed)


def number_conditions(by_state: Mapping[str, int], fought: int, late: bool) -> Iterator[Condition]:
    """Numbers that need attention, by state. `late`: some have been pending for too long."""
    if fought:
        yield condition("numbers_fought", numbers=format_numbers(fought))
    for name, kind in NUMBER_KINDS.items():
        count = by_state.get(name, 0)
        if count and (name != "pending" or late):
            yield condition(kind, numbers=format_numbers(count))


async def read_answers(pool: Pool) -> list[Condition]:
    """Numbers whose granted calls nothing answers, as configured and as seen at their last call."""
    found = []
    if count := await count_unanswered(pool):
        found.append(condition("numbers_unanswered", numbers=format_numbers(count)))
    return [*found, *await read_concerned(pool, "calls_unanswered")]


async def read_concerned(pool: Pool, *names: NumberCondition) -> list[Condition]:
    """Conditions that count numbers and concern some."""
    counts = {name: await count_concerned(pool, name) for name in names}
    return [
        condition(name, numbers=format_numbers(count)) for name, count in counts.items() if count
    ]


def format_since(instant: datetime) -> str:
    """An instant in the address of a list."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def call_conditions(pool: Pool) -> list[Condition]:
    """Calls of the last day whose end is not confirmed, or which two organizations claim."""
    since = await doctor.get_day_start(pool)
    counts = {
        f"hangups_{name}": count
        for name, count in sorted((await doctor.count_hangups(pool, since)).items())
    }
    counts["call_claimed_twice"] = await count_claimed(pool, since)
    return [
        condition(kind, calls=format_count(count, "call", "calls"), since=format_since(since))
        for kind, count in counts.items()
        if count
    ]


def hole_conditions(counts: Sequence[HoleCount]) -> Iterator[Condition]:
    """Coverage holes that an admin can close, each once, with how many numbers have it."""
    holes: dict[HoleKind, HoleCount] = {}
    for count in counts:
        if not is_silent(count):
            holes.setdefault(count.hole.kind, count)
    for count in holes.values():
        hole = count.hole
        listed = hole.kind in NUMBER_CONDITIONS
        yield condition(
            "coverage_hole",
            hole=hole.text,
            remedy=hole.remedy,
            numbers=count.numbers,
            link=f"numbers?condition={hole.kind}" if listed else "numbers",
        )


def is_silent(count: HoleCount) -> bool:
    """Whether a hole is no condition: inherent to Vapi, said elsewhere, or perhaps no hole."""
    kind = count.hole.kind
    return count.hole.inherent or kind in SHOWN_BY_NUMBER or kind in UNSEEN


def is_private(address: str, *, loopback: bool) -> bool:
    """Whether an address is of a private network; this machine's own only if `loopback`."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return loopback if found.is_loopback else found.is_private


@dataclass(slots=True)
class StoredConditions:
    """Reads the conditions that PostgreSQL knows. `key` is the fingerprint of VAPI_API_KEY."""

    pool: Pool
    key: str
    ring_gate_default: bool = False
    watch_interval: float = 30.0
    expects_proxy: bool = True
    """Whether no trusted proxy is set, so that one may be in front without being noticed."""
    expects_loopback: bool = True
    """Whether browsers on this machine are usual: the panel has no public address."""
    vault: Vault | None = None
    holes: list[Condition] = field(default_factory=list)
    holes_read_at: float = float("-inf")
    limits: LimitConditions = field(init=False)

    def __post_init__(self) -> None:
        self.limits = LimitConditions(UsageReports(self.pool))

    async def read(self) -> list[Condition]:
        """All of them as of now; coverage holes as of the last minute."""
        row = await state.get(self.pool)
        found = [one for one in reconcile_conditions(row, self.key) if self.is_watched(one)]
        found += list_conditions(await find_list_faults(self.pool))
        found += await read_concerned(
            self.pool, "numbers_unlisted", "numbers_moved", "former_secrets_hidden"
        )
        fought, _ = await states.count_special(self.pool)
        by_state = await states.count_by_state(self.pool)
        late = bool(await doctor.list_unhealthy(self.pool, "pending", 1))
        found += (one for one in number_conditions(by_state, fought, late) if self.is_watched(one))
        found += await read_answers(self.pool)
        found += await call_conditions(self.pool)
        if waiting := await metrics.count_waiting_numbers(self.pool):
            found.append(condition("unknown_numbers", numbers=format_numbers(waiting)))
        if await roles.is_too_powerful(self.pool):
            found.append(condition("database_role_too_powerful"))
        found += await read_parked(self.pool)
        found += await self.limits.read()
        trials, _ = await metrics.list_ending_trials(self.pool, 1)
        if trials:
            found.append(condition("trials_ending", trials=trials))
        return [*found, *await self.read_sign_ins(), *await self.read_holes()]

    async def read_sign_ins(self) -> list[Condition]:
        """Whether all admins seem to sit at one private address."""
        address = await sessions.find_only_address(self.pool) if self.expects_proxy else None
        if address is None or not is_private(address, loopback=not self.expects_loopback):
            return []
        return [condition("sign_ins_one_address", address=address)]

    def is_watched(self, one: Condition) -> bool:
        """The doctor alone shows numbers that drift for a moment, and keys of other replicas."""
        return not CONDITIONS[one.kind].doctor_only

    async def read_holes(self) -> list[Condition]:
        if time.monotonic() - self.holes_read_at > COVERAGE_SECONDS:
            counts = await count_holes(self.pool, self.ring_gate_default, self.watch_interval)
            found = [*hole_conditions(counts), *await self.read_lost(), *await self.read_circles()]
            self.holes, self.holes_read_at = found, time.monotonic()
        return self.holes

    async def read_lost(self) -> list[Condition]:
        """Former webhooks whose secrets cannot be decrypted; counting reads all numbers too."""
        count = await count_lost(self.pool, self.vault) if self.vault is not None else 0
        webhooks = format_count(count, "former webhook", "former webhooks")
        return [condition("kept_secrets_lost", webhooks=webhooks)] if count else []

    async def read_circles(self) -> list[Condition]:
        """Transfers to registered numbers, which were registered or found at Vapi after them."""
        found = await transfers.list_circles(self.pool, SHOWN_CIRCLES + 1)
        more = ", …" if len(found) > SHOWN_CIRCLES else ""
        listed = ", ".join(found[:SHOWN_CIRCLES]) + more
        return [condition("transfers_in_circle", organizations=listed)] if found else []


Live = Callable[[], Sequence[Condition]]
"""Reads the conditions of this replica's own parts; takes no time."""


class ConditionWatch:
    """All conditions as this replica sees them, read every few seconds."""

    def __init__(self, stored: StoredConditions, live: Live = tuple) -> None:
        self.stored = stored
        self.live = live
        self.last_stored: Sequence[Condition] = ()
        self.database_away = False
        self.turn = asyncio.Lock()

    def background(self) -> BackgroundLoop:
        """The loop that reads them."""
        return BackgroundLoop("conditions", self.read_once, interval=EVERY_SECONDS)

    async def read_once(self) -> None:
        """One reading; with PostgreSQL away the last stored conditions stay."""
        await self.read()

    async def read(self) -> list[Condition]:
        """Read all of them now, most urgent first."""
        async with self.turn:  # so that a slow reading never overwrites a later one
            try:
                self.last_stored = await self.stored.read()
                self.database_away = False
            except UNAVAILABLE:
                self.database_away = True
            return self.read_last()

    async def check(self) -> list[Condition]:
        """Those of this replica now, and the stored ones as of the last reading."""
        try:
            async with at_most(DATABASE_SECONDS):
                await self.stored.pool.fetchval("SELECT 1")
            self.database_away = False
        except UNAVAILABLE:
            self.database_away = True
        return self.read_last()

    def read_last(self) -> list[Condition]:
        """As of the last reading, most urgent first."""
        away = [condition("database_away")] if self.database_away else []
        return by_urgency([*self.live(), *away, *self.last_stored])
