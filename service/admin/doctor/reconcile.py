"""The doctor's look at the reconciler: its key, its pauses, its sweeps, and numbers not in sync."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from service.admin.doctor.check import DoctorFinding, Level
from service.domain.fingerprint import fingerprint
from service.domain.phone_numbers import Pause, SyncState
from service.settings import Settings
from service.store import doctor as store
from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states as webhook_states
from service.store.reconcile import sweeps
from service.store.reconcile.state import Reconciliation

MOST = 20

UNWELL_STATES: dict[str, tuple[Level, str]] = {
    "missing": ("failed", "Remove the number here, or import it again."),
    "failed": ("failed", "See the error; then sync the number."),
    "shadowed": ("failed", "See the error."),
    "drifted": ("warning", "Look at the dry run: callgate reconcile --dry-run."),
    "pending": ("warning", "Is a service running? See its log; or run callgate reconcile."),
}


async def examine_reconciler(pool: Pool, settings: Settings) -> AsyncIterator[DoctorFinding]:
    """Sweeps come to their end, and nothing holds them up."""
    row = await reconciliation.get(pool)
    obstacles = list(find_obstacles(row, settings))
    last = await sweeps.find_last_full(pool)
    interval = settings.callgate_reconcile_interval
    if last is not None and interval and last.age > 3 * interval + 60:
        text = f"The last full sweep ended {last.age:.0f} s ago."
        remedy = "Is a service running? See its log."
        obstacles.append(DoctorFinding("reconcile", "warning", text, remedy))
    for obstacle in obstacles:
        yield obstacle
    if not obstacles:
        text = "No sweep yet." if last is None else f"Last full sweep {last.age:.0f} s ago."
        yield DoctorFinding("reconcile", "ok", text)


def find_obstacles(row: Reconciliation, settings: Settings) -> Iterator[DoctorFinding]:
    """What keeps all numbers from being repaired."""
    if row.key_refused_at is not None:
        yield refused_key(row.key_refused_at, row.key_fingerprint, settings)
    if row.pause is not None:
        text = f"All repairs are paused {told(row.pause)}"
        remedy = "End it when it is no longer needed: DELETE /api/v1/reconcile/pause."
        yield DoctorFinding("reconcile", "warning", text, remedy)
    if row.held is not None:
        text = f"A sweep would change {row.held.get('drifted')} numbers and asks first."
        remedy = f"callgate reconcile --dry-run, then --plan {row.held.get('plan')}"
        yield DoctorFinding("reconcile", "failed", text, remedy)


def refused_key(since: datetime, refused: str | None, settings: Settings) -> DoctorFinding:
    """A refusal stops all repairs, whether it is of the key that we have or of a replica's."""
    key = settings.vapi_api_key.get_secret_value()
    if key and refused == fingerprint(key):
        text = f"Vapi refuses VAPI_API_KEY since {shown(since)}: no webhook is repaired."
        remedy = (
            "Copy the private key from Vapi's dashboard into VAPI_API_KEY of every replica and "
            "restart them. If Vapi takes it again, a running service goes on within a minute."
        )
    else:
        text = f"Vapi refuses a service's key since {shown(since)}, which is not VAPI_API_KEY here."
        remedy = "Give every replica the same VAPI_API_KEY and restart them."
    return DoctorFinding("reconcile", "failed", text, remedy)


async def examine_numbers(pool: Pool) -> AsyncIterator[DoctorFinding]:
    """How many numbers there are by state; which are not in sync, and what to do."""
    counts = await webhook_states.count_by_state(pool)
    yield DoctorFinding("numbers", "ok", summary(counts))
    for state, (level, remedy) in UNWELL_STATES.items():
        found = await store.list_unhealthy(pool, state, MOST)
        for one in found:
            text = f"{owned(one.name, one.owner)} is {state}. {one.last_error or ''}".rstrip()
            yield DoctorFinding("numbers", level, text, remedy)
        if len(found) == MOST and counts.get(state, 0) > MOST:
            more = counts[state] - MOST
            yield DoctorFinding("numbers", level, f"… and {more} more are {state}.", remedy)
    async for finding in examine_pauses(pool):
        yield finding
    if releasing := await store.count_releasing(pool):
        text = f"{releasing} numbers that were given up still carry our webhook."
        yield DoctorFinding("numbers", "warning", text, "Vapi refuses or is away: see the log.")
    if silent := await store.count_silent(pool):
        text = f"{silent} numbers are in sync for a week and no call of theirs was ever seen."
        remedy = "If they have calls, see GET /phone-numbers/{id}/route."
        yield DoctorFinding("numbers", "warning", text, remedy)


async def examine_pauses(pool: Pool) -> AsyncIterator[DoctorFinding]:
    """Numbers with a pause of their own."""
    found = await store.list_paused(pool, MOST)
    for one in found:
        pause = Pause(one.paused_at, one.paused_by, one.paused_reason, one.paused_until)
        text = f"{owned(one.name, one.owner)} is paused {told(pause)}"
        remedy = f"End it when it is no longer needed: DELETE /api/v1/phone-numbers/{one.id}/pause."
        yield DoctorFinding("numbers", "warning", text, remedy)
    if found and found[0].all_paused > MOST:
        more = found[0].all_paused - MOST
        remedy = "GET /api/v1/phone-numbers?sync_state=paused lists them."
        yield DoctorFinding("numbers", "warning", f"… and {more} more are paused.", remedy)


def summary(counts: dict[str, int]) -> str:
    """Registered numbers by state, the states in the order of their enumeration."""
    count = sum(counts.values())
    if not count:
        return "No number is registered."
    states = ", ".join(f"{counts[state]} {state}" for state in SyncState if counts.get(state))
    return f"{count} number{'s are' if count > 1 else ' is'} registered: {states}."


def told(pause: Pause) -> str:
    """By whom, why, since when, and until when."""
    end = shown(pause.until) if pause.until else "somebody ends it"
    return f"by {pause.by}: {pause.reason} (since {shown(pause.at)}, until {end})"


def owned(name: str, owner: str | None) -> str:
    return f"{name} of {owner}" if owner else name


def shown(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
