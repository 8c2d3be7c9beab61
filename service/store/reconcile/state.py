"""`callgate.reconciliation`: the one row that all replicas share about reconciling as a whole.

Who runs the next sweep, a pause of everything, a sweep that asks before it goes on, and a key that
Vapi refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.phone_numbers import Pause
from service.store.pool import Connection, Pool

SWEEP_LEASE_SECONDS = 60.0

GET = """
SELECT next_sweep_at, claimed_until > now() AS sweeping, held, key_refused_at, key_fingerprint,
    key_retry_at, paused_at, paused_by, paused_reason, paused_until,
    (paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > now())) AS paused
FROM callgate.reconciliation
"""

# A sweep that was begun is over when its replica says so, or when the lease ran out.
CLAIM_SWEEP = """
UPDATE callgate.reconciliation
SET claim = claim + 1, claimed_until = now() + make_interval(secs => $1)
WHERE next_sweep_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
RETURNING claim
"""

HOLD_ON = """
UPDATE callgate.reconciliation SET claimed_until = now() + make_interval(secs => $2)
WHERE claim = $1 RETURNING true
"""

END_SWEEP = """
UPDATE callgate.reconciliation
SET claimed_until = NULL, next_sweep_at = now() + make_interval(secs => $2)
WHERE claim = $1
"""

SECONDS_TO_SWEEP = """
SELECT extract(epoch FROM greatest(next_sweep_at, coalesce(claimed_until, next_sweep_at)) - now())
FROM callgate.reconciliation
"""

SET_HELD = "UPDATE callgate.reconciliation SET held = $1"

PAUSE = """
UPDATE callgate.reconciliation
SET paused_at = now(), paused_by = $1, paused_reason = $2, paused_until = $3
"""

# What drifted meanwhile is looked for at once.
RESUME = """
UPDATE callgate.reconciliation SET paused_at = NULL, paused_by = NULL, paused_reason = NULL,
    paused_until = NULL, next_sweep_at = now()
"""

WAKE = "SELECT pg_notify('callgate_reconcile', '')"

# Only the first refusal of a key counts from when; each one puts the next try off.
REFUSE_KEY = """
UPDATE callgate.reconciliation SET
    key_refused_at = CASE WHEN key_fingerprint = $1 THEN coalesce(key_refused_at, now())
        ELSE now() END,
    key_fingerprint = $1, key_retry_at = now() + make_interval(secs => $2)
"""

ACCEPT_KEY = """
UPDATE callgate.reconciliation
SET key_refused_at = NULL, key_fingerprint = NULL, key_retry_at = NULL
WHERE key_refused_at IS NOT NULL RETURNING true
"""

# One replica tries a refused key again; the others see that it is tried.
TRY_KEY = """
UPDATE callgate.reconciliation SET key_retry_at = now() + make_interval(secs => $2)
WHERE key_refused_at IS NOT NULL AND (key_fingerprint <> $1 OR key_retry_at <= now())
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The row. `held` is the report of a sweep that asks; `key_refused_at` counts for one key only,
    whose fingerprint stands beside it."""

    next_sweep_at: datetime
    sweeping: bool
    held: Mapping[str, Any] | None
    key_refused_at: datetime | None
    key_fingerprint: str | None
    key_retry_at: datetime | None
    pause: Pause | None


def pause_of(row: Mapping[str, Any]) -> Pause | None:
    """A pause out of a row's columns; None when there is none, or it is over."""
    if not row["paused"]:
        return None
    return Pause(row["paused_at"], row["paused_by"], row["paused_reason"], row["paused_until"])


async def get(database: Pool | Connection) -> Reconciliation:
    """The row as it is now."""
    row = await database.fetchrow(GET)
    assert row is not None, "the migration inserts the row"
    return Reconciliation(
        row["next_sweep_at"],
        bool(row["sweeping"]),
        row["held"],
        row["key_refused_at"],
        row["key_fingerprint"],
        row["key_retry_at"],
        pause_of(row),
    )


async def claim_sweep(pool: Pool) -> int | None:
    """Take the periodic sweep if it is due and nobody has it."""
    found: int | None = await pool.fetchval(CLAIM_SWEEP, SWEEP_LEASE_SECONDS)
    return found


async def hold_on(pool: Pool, claim: int) -> bool:
    """Make the lease longer; False when another replica took the sweep over."""
    return bool(await pool.fetchval(HOLD_ON, claim, SWEEP_LEASE_SECONDS))


async def end_sweep(pool: Pool, claim: int, next_in: float) -> None:
    """Give the sweep back; the next one is due in so many seconds."""
    await pool.execute(END_SWEEP, claim, next_in)


async def seconds_to_sweep(pool: Pool) -> float:
    """Seconds until the next periodic sweep may be taken (negative: overdue)."""
    return float(await pool.fetchval(SECONDS_TO_SWEEP))


async def set_held(pool: Pool, report: Mapping[str, Any] | None) -> None:
    """Keep the report of a sweep that asks, or forget it."""
    await pool.execute(SET_HELD, None if report is None else dict(report))


async def pause_all(connection: Connection, by: str, reason: str, until: datetime | None) -> None:
    """Pause all repairs."""
    await connection.execute(PAUSE, by, reason, until)


async def resume_all(connection: Connection) -> None:
    """End the pause of everything, and let the loops know."""
    await connection.execute(RESUME)
    await connection.execute(WAKE)


async def refuse_key(pool: Pool, key: str, retry_in: float) -> None:
    """Note that Vapi refuses the key with this fingerprint."""
    await pool.execute(REFUSE_KEY, key, retry_in)


async def accept_key(pool: Pool) -> bool:
    """Note that Vapi takes the key; True when it had been refused."""
    return bool(await pool.fetchval(ACCEPT_KEY))


async def try_key(pool: Pool, key: str, retry_in: float) -> bool:
    """Whether this replica should try a refused key now."""
    return bool(await pool.fetchval(TRY_KEY, key, retry_in))
