"""`callgate.webhook_states`: what is known of each number's webhook, and who is working on it.

A claim is a number that only grows and a time until which it holds. Whoever writes an outcome must
still hold the newest claim, so a replica that was thought dead cannot overwrite its successor's.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, Sync, SyncState
from service.store.pool import Pool

LEASE_SECONDS = 45.0
CHANNEL = "callgate_reconcile"

# $3: only if it is due, so that the loop leaves alone what somebody else has just done.
CLAIM = """
UPDATE callgate.webhook_states s
SET claim = s.claim + 1, claimed_until = now() + make_interval(secs => $2)
FROM callgate.phone_numbers n
WHERE s.phone_number_id = (
        SELECT phone_number_id FROM callgate.webhook_states
        WHERE phone_number_id = $1 AND (claimed_until IS NULL OR claimed_until < now())
            AND (NOT $3 OR next_attempt_at <= now())
        FOR UPDATE SKIP LOCKED)
    AND n.id = s.phone_number_id
RETURNING s.phone_number_id, s.claim, s.failures, s.original, n.vapi_phone_number_id, n.number,
    n.released_at IS NOT NULL AS released
"""

FIND_DUE = """
SELECT phone_number_id FROM callgate.webhook_states
WHERE next_attempt_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
ORDER BY next_attempt_at LIMIT $1
"""

NEXT_DUE = """
SELECT extract(epoch FROM
    min(greatest(next_attempt_at, coalesce(claimed_until, next_attempt_at))) - now())
FROM callgate.webhook_states WHERE next_attempt_at IS NOT NULL
"""

# What was there before is kept once and for ever: a second look would find our own block.
KEEP_ORIGINAL = """
UPDATE callgate.webhook_states SET original = $3
WHERE phone_number_id = $1 AND claim = $2 AND original IS NULL
"""

RECORD = """
UPDATE callgate.webhook_states SET
    state = $3, drift = $4, last_error = $5, failures = $6,
    next_attempt_at = now() + make_interval(secs => $7),
    last_checked_at = CASE WHEN $8 THEN now() ELSE last_checked_at END,
    claimed_until = NULL
WHERE phone_number_id = $1 AND claim = $2
"""

LEARN_NUMBER = """
UPDATE callgate.phone_numbers SET number = $2 WHERE id = $1 AND number IS DISTINCT FROM $2
"""

# A number that was added again meanwhile is no longer released, and stays.
FORGET = """
DELETE FROM callgate.phone_numbers n USING callgate.webhook_states s
WHERE n.id = $1 AND n.released_at IS NOT NULL AND s.phone_number_id = n.id AND s.claim = $2
"""

# What was added again while its former webhook went back has to be configured anew, at once.
START_AGAIN = """
UPDATE callgate.webhook_states SET claimed_until = NULL, next_attempt_at = now()
WHERE phone_number_id = $1 AND claim = $2
"""

UNCLAIM = """
UPDATE callgate.webhook_states SET claimed_until = NULL WHERE phone_number_id = $1 AND claim = $2
"""

GET = """
SELECT state, level, drift, last_checked_at, last_error, next_attempt_at
FROM callgate.webhook_states WHERE phone_number_id = $1
"""

COUNT_BY_STATE = """
SELECT s.state, count(*) AS numbers FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
WHERE n.released_at IS NULL GROUP BY s.state
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one number, with what the work needs."""

    phone_number_id: UUID
    claim: int
    failures: int
    original: Mapping[str, Any] | None
    vapi_phone_number_id: str
    number: str | None
    released: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look came to. `retry_in` is in seconds; None: nothing more to do by itself.

    `checked` tells whether Vapi was seen at all.
    """

    state: SyncState
    drift: tuple[FieldDrift, ...] = ()
    error: str | None = None
    failures: int = 0
    retry_in: float | None = None
    checked: bool = True


def sync_of(row: Mapping[str, Any]) -> Sync:
    """A `Sync` out of a row's columns."""
    return Sync(
        state=SyncState(row["state"]),
        level=row["level"],
        drift=tuple(FieldDrift(**entry) for entry in row["drift"]),
        last_checked_at=row["last_checked_at"],
        last_error=row["last_error"],
        next_attempt_at=row["next_attempt_at"],
    )


async def claim(pool: Pool, phone_number_id: UUID, *, due: bool = False) -> Claim | None:
    """Claim a number, or one only if it is due; None when another holds it or it is gone."""
    row = await pool.fetchrow(CLAIM, phone_number_id, LEASE_SECONDS, due)
    return None if row is None else Claim(**dict(row))


async def unclaim(pool: Pool, held: Claim) -> None:
    """Give a claim back without an outcome."""
    await pool.execute(UNCLAIM, held.phone_number_id, held.claim)


async def find_due(pool: Pool, limit: int) -> list[UUID]:
    """Numbers whose time has come and that nobody works on, longest due first."""
    return [row["phone_number_id"] for row in await pool.fetch(FIND_DUE, limit)]


async def seconds_to_next(pool: Pool) -> float | None:
    """Seconds until the next number is due (negative: overdue), None when none is waiting."""
    found = await pool.fetchval(NEXT_DUE)
    return None if found is None else float(found)


async def keep_original(pool: Pool, held: Claim, original: Mapping[str, Any]) -> None:
    """Keep what was there before our first change."""
    await pool.execute(KEEP_ORIGINAL, held.phone_number_id, held.claim, dict(original))


async def record(pool: Pool, held: Claim, finding: Finding) -> None:
    """Write an outcome and give the claim back; without effect when the claim is no longer ours."""
    await pool.execute(
        RECORD,
        held.phone_number_id,
        held.claim,
        finding.state.value,
        [asdict(entry) for entry in finding.drift],
        finding.error,
        finding.failures,
        finding.retry_in,
        finding.checked,
    )


async def learn_number(pool: Pool, phone_number_id: UUID, number: str) -> None:
    """Take over the number's digits from Vapi, which knows them."""
    await pool.execute(LEARN_NUMBER, phone_number_id, number)


async def forget(pool: Pool, held: Claim) -> None:
    """Remove a released number whose former webhook is back; one added again starts anew."""
    await pool.execute(FORGET, held.phone_number_id, held.claim)
    await pool.execute(START_AGAIN, held.phone_number_id, held.claim)


async def find_sync(pool: Pool, phone_number_id: UUID) -> Sync | None:
    """The stored state of a number's webhook."""
    row = await pool.fetchrow(GET, phone_number_id)
    return None if row is None else sync_of(row)


async def count_by_state(pool: Pool) -> dict[str, int]:
    """How many registered numbers are in each state."""
    return {row["state"]: row["numbers"] for row in await pool.fetch(COUNT_BY_STATE)}
