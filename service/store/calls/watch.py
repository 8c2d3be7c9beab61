"""`callgate.call_watch`: how far Vapi's list of calls has been compared with ours, and the claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.store.calls.decisions import ASKED_CALLS
from service.store.leases import LEASE_SECONDS
from service.store.pool import Pool

CLAIM = """
UPDATE callgate.call_watch
SET claim = claim + 1, claimed_until = now() + make_interval(secs => $1)
WHERE next_look_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
RETURNING claim, seen_until, now() AS now
"""

END = """
UPDATE callgate.call_watch SET claimed_until = NULL,
    next_look_at = now() + make_interval(secs => $2), seen_until = coalesce($3, seen_until),
    malformed = $4, gap = $5
WHERE claim = $1
"""

RENEW = """
UPDATE callgate.call_watch SET claimed_until = now() + make_interval(secs => $2)
WHERE claim = $1 AND claimed_until IS NOT NULL RETURNING true
"""

SECONDS = """
SELECT extract(epoch FROM greatest(next_look_at, coalesce(claimed_until, next_look_at)) - now())
FROM callgate.call_watch
"""

KNOWN = f"""
SELECT vapi_call_id, organization_id, vapi_phone_number_id, ended_at, end_proved,
    owner_checked_at IS NOT NULL AS owner_checked, cost, hangup_state IS NOT NULL AS hung_up,
    EXISTS (SELECT FROM callgate.pgqueuer WHERE dedupe_key = 'hangup:' || vapi_call_id
        AND status IN ('queued', 'picked')) AS job
FROM {ASKED_CALLS}
"""  # noqa: S608 - a constant

# A granted call that a report ended and that Vapi's list shows as live.
REOPEN = """
UPDATE callgate.calls SET ended_at = NULL, ended_reason = NULL, updated_at = now(),
    status = CASE WHEN status = 'ended' THEN 'in-progress' ELSE status END
WHERE vapi_call_id = $1 AND NOT end_proved AND hangup_state IS NULL
"""

# Open for longer than the list reaches back: each is checked individually, the oldest first. One that
# holds slots of limits is checked for longer, since nothing but the proof of its end frees them.
LIST_OLD_OPEN = """
SELECT vapi_call_id FROM callgate.calls
WHERE status <> 'ended' AND ended_at IS NULL AND created_at < $1
    AND (hangup_state IS NULL OR hangup_state <> 'confirmed')
    AND created_at > now() - CASE WHEN slots IS NULL THEN interval '3 days' ELSE interval '30 days' END
ORDER BY updated_at LIMIT $2
"""

TOUCH = "UPDATE callgate.calls SET updated_at = now() WHERE vapi_call_id = $1"


async def claim(pool: Pool) -> tuple[int, datetime, datetime] | None:
    """Claim the comparison if it is due: the claim, the instant compared up to, and now."""
    row = await pool.fetchrow(CLAIM, LEASE_SECONDS)
    return None if row is None else (row["claim"], row["seen_until"], row["now"])


async def renew(pool: Pool, claim: int) -> bool:
    """Renew the lease; False once another replica has taken it over."""
    return bool(await pool.fetchval(RENEW, claim, LEASE_SECONDS))


@dataclass(slots=True)
class CallListFindings:
    """A comparison under way: the calls that came, unreadable elements, and why the list is incomplete.
    `reached` stays None then, or if the comparison failed."""

    calls: int = 0
    malformed: int = 0
    gap: str | None = None
    reached: datetime | None = None


async def release(pool: Pool, claim: int, next_in: float, found: CallListFindings) -> None:
    """Release the claim; if the comparison reached nothing, the mark stays."""
    await pool.execute(END, claim, next_in, found.reached, found.malformed, found.gap)


async def get_seconds_to_next(pool: Pool) -> float:
    """Seconds until the next comparison may be claimed."""
    return float(await pool.fetchval(SECONDS))


@dataclass(frozen=True, slots=True)
class WatchedCall:
    """A recorded call, as the comparison needs it. `job`: a hang-up waits or runs."""

    vapi_call_id: str
    organization_id: UUID | None
    vapi_phone_number_id: str | None
    ended_at: datetime | None
    end_proved: bool
    owner_checked: bool
    cost: Decimal | None
    hung_up: bool
    job: bool


async def find_known(pool: Pool, vapi_call_ids: Sequence[str]) -> dict[str, WatchedCall]:
    """Which of these calls are recorded, by their id at Vapi."""
    rows = await pool.fetch(KNOWN, list(vapi_call_ids))
    return {row["vapi_call_id"]: WatchedCall(**dict(row)) for row in rows}


async def reopen_call(pool: Pool, vapi_call_id: str) -> None:
    """Take back the end of a granted call that still goes on."""
    await pool.execute(REOPEN, vapi_call_id)


async def list_old_open(pool: Pool, before: datetime, limit: int) -> list[str]:
    """Open calls that began before an instant, the longest unchecked first."""
    return [row["vapi_call_id"] for row in await pool.fetch(LIST_OLD_OPEN, before, limit)]


async def record_check(pool: Pool, vapi_call_id: str) -> None:
    """Note that a call was checked: the others come first next time."""
    await pool.execute(TOUCH, vapi_call_id)
