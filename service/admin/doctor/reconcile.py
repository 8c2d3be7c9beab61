"""The doctor's check of the reconciler: its key, its pauses, its sweeps, and numbers not in sync."""

from collections.abc import AsyncIterator

from service.admin.conditions import (
    NUMBER_KINDS,
    format_numbers,
    number_conditions,
    pause_values,
    read_answers,
    read_concerned,
    reconcile_conditions,
)
from service.admin.doctor.check import DoctorFinding
from service.domain.conditions import Condition, condition
from service.domain.fingerprint import fingerprint
from service.domain.phone_numbers import Pause, SyncState
from service.domain.wording.labels import format_count
from service.settings import Settings
from service.store import doctor as store
from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states as webhook_states
from service.store.reconcile import sweeps

MOST = 20
"""How many numbers of one state are listed."""

STATES = {kind: state for state, kind in NUMBER_KINDS.items()}


async def examine_reconciler(pool: Pool, settings: Settings) -> AsyncIterator[DoctorFinding]:
    """Whether sweeps finish, and what keeps them from it."""
    row = await reconciliation.get(pool)
    key = settings.vapi_api_key.get_secret_value()
    found = list(reconcile_conditions(row, fingerprint(key) if key else ""))
    last = await sweeps.find_last_full(pool)
    interval = settings.callgate_reconcile_interval
    if last is not None and interval and last.age > 3 * interval + 60:
        found.append(condition("sweep_late", seconds=round(last.age)))
    for one in found:
        yield DoctorFinding.of("reconcile", one)
    if not found:
        text = "No sweep yet." if last is None else f"Last full sweep {last.age:.0f} s ago."
        yield DoctorFinding.ok("reconcile", text)


async def examine_numbers(pool: Pool) -> AsyncIterator[DoctorFinding]:
    """Registered numbers by state; each number that needs attention, with its remedy."""
    counts = await webhook_states.count_by_state(pool)
    yield DoctorFinding.ok("numbers", describe_states(counts))
    fought, _ = await webhook_states.count_special(pool)
    late = bool(await store.list_unhealthy(pool, SyncState.PENDING, 1))
    for found in number_conditions(counts, fought, late):
        yield DoctorFinding.of("numbers", found)
        async for finding in list_numbers(pool, found):
            yield finding
    for found in [*await read_concerned(pool, "numbers_unlisted"), *await read_answers(pool)]:
        yield DoctorFinding.of("numbers", found)
    async for finding in examine_pauses(pool):
        yield finding
    if releasing := await store.list_releasing(pool):
        found = condition("numbers_releasing", numbers=format_numbers(len(releasing)))
        yield DoctorFinding.of("numbers", found)
        for name, error in releasing:
            text = f"{name} is being released. {error or ''}".rstrip()
            yield DoctorFinding.of("numbers", found, text)
    for found in await read_concerned(pool, "numbers_silent"):
        yield DoctorFinding.of("numbers", found)


async def list_numbers(pool: Pool, found: Condition) -> AsyncIterator[DoctorFinding]:
    """The first numbers that have a condition, by name."""
    state = STATES.get(found.kind)
    if state is None:
        return
    for one in await store.list_unhealthy(pool, state, MOST):
        text = f"{owned(one.name, one.owner)} is {state}. {one.last_error or ''}".rstrip()
        yield DoctorFinding.of("numbers", found, text)


async def examine_pauses(pool: Pool) -> AsyncIterator[DoctorFinding]:
    """Numbers that are paused individually, the longest paused first."""
    found = await store.list_paused(pool, MOST)
    for one in found:
        pause = Pause(one.paused_at, one.paused_by, one.paused_reason, one.paused_until)
        number = owned(one.name, one.owner)
        paused = condition("number_paused", number=number, id=one.id, **pause_values(pause))
        yield DoctorFinding.of("numbers", paused)
    if found and found[0].all_paused > MOST:
        more = format_numbers(found[0].all_paused - MOST)
        text = f"Also paused: {more}. Numbers with the filter Paused lists them."
        yield DoctorFinding.of("numbers", paused, text)


def describe_states(counts: dict[str, int]) -> str:
    """Registered numbers by state, the states in the order of their enumeration."""
    count = sum(counts.values())
    if not count:
        return "No number is registered."
    states = ", ".join(f"{counts[state]} {state}" for state in SyncState if counts.get(state))
    return f"{format_count(count, 'number is', 'numbers are')} registered: {states}."


def owned(name: str, owner: str | None) -> str:
    return f"{name} of {owner}" if owner else name
