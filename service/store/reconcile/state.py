"""`callgate.reconciliation`: the one row about reconciling as a whole, shared by all replicas.

It holds the lease of the periodic sweep, a pause of everything, a sweep that waits for approval, and a
key that Vapi refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.phone_numbers import Pause
from service.store.leases import LEASE_SECONDS
from service.store.pool import Connection, Pool

IS_PAUSED = """((s.paused_at IS NOT NULL AND (s.paused_until IS NULL OR s.paused_until > now()))
    OR (r.paused_at IS NOT NULL AND (r.paused_until IS NULL OR r.paused_until > now())))"""
"""Of `s`, the state of a number's webhook, and `r`, this row: a pause of its own, or of everything."""

GET = """
SELECT next_sweep_at, claimed_until > now() AS sweeping, held, key_refused_at, key_fingerprint,
    key_retry_at, paused_at, paused_by, paused_reason, paused_until,
    (paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > now())) AS paused
FROM callgate.reconciliation
"""

# A running sweep is over when its replica ends it, or when its lease expires.
CLAIM_SWEEP = """
UPDATE callgate.reconciliation
SET claim = claim + 1, claimed_until = now() + make_interval(secs => $1)
WHERE next_sweep_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
RETURNING claim
"""

EXTEND_LEASE = """
UPDATE callgate.reconciliation SET claimed_until = now() + make_interval(secs => $2)
WHERE claim = $1 AND claimed_until IS NOT NULL RETURNING true
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

LOCK = "SELECT FROM callgate.reconciliation FOR UPDATE"

PAUSE = """
UPDATE callgate.reconciliation
SET paused_at = now(), paused_by = $1, paused_reason = $2, paused_until = $3
"""

# A sweep looks for drift at once.
RESUME = """
UPDATE callgate.reconciliation SET paused_at = NULL, paused_by = NULL, paused_reason = NULL,
    paused_until = NULL, next_sweep_at = now()
"""

WAKE = "SELECT pg_notify('callgate_reconcile', '')"

# The first refusal of a key sets the time; each one postpones the next try.
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

# One replica retries a refused key; the others see that it does.
TRY_KEY = """
UPDATE callgate.reconciliation SET key_retry_at = now() + make_interval(secs => $2)
WHERE key_refused_at IS NOT NULL AND (key_fingerprint <> $1 OR key_retry_at <= now())
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The row. `held` is the report of a sweep that waits for approval. `key_refused_at` belongs to the
    key with `key_fingerprint`. `paused_at`: when the last pause began that no admin ended; it may have
    ended by itself."""

    next_sweep_at: datetime
    sweeping: bool
    held: Mapping[str, Any] | None
    key_refused_at: datetime | None
    key_fingerprint: str | None
    key_retry_at: datetime | None
    pause: Pause | None
    paused_at: datetime | None


def pause_of(row: Mapping[str, Any]) -> Pause | None:
    """A pause out of a row's columns; None when there is none or it has ended."""
    if not row["paused"]:
        return None
    return Pause(row["paused_at"], row["paused_by"], row["paused_reason"], row["paused_until"])


async def get(database: Pool | Connection) -> Reconciliation:
    """Read the row."""
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
        row["paused_at"],
    )


async def claim_sweep(pool: Pool) -> int | None:
    """Claim the periodic sweep if it is due and unclaimed."""
    found: int | None = await pool.fetchval(CLAIM_SWEEP, LEASE_SECONDS)
    return found


async def extend_lease(pool: Pool, claim: int) -> bool:
    """Extend the lease; False when another replica took over the sweep."""
    return bool(await pool.fetchval(EXTEND_LEASE, claim, LEASE_SECONDS))


async def end_sweep(pool: Pool, claim: int, next_in: float) -> None:
    """Release the sweep; the next one is due in `next_in` seconds."""
    await pool.execute(END_SWEEP, claim, next_in)


async def seconds_to_sweep(pool: Pool) -> float:
    """Seconds until the next periodic sweep may be taken (negative: overdue)."""
    return float(await pool.fetchval(SECONDS_TO_SWEEP))


async def set_held(pool: Pool, report: Mapping[str, Any] | None) -> None:
    """Store the report of a sweep that waits for approval; None deletes it."""
    await pool.execute(SET_HELD, None if report is None else dict(report))


async def lock(connection: Connection) -> None:
    """Lock the row until the end of the transaction."""
    await connection.execute(LOCK)


async def pause_all(connection: Connection, by: str, reason: str, until: datetime | None) -> None:
    """Pause all repairs."""
    await connection.execute(PAUSE, by, reason, until)


async def resume_all(connection: Connection) -> None:
    """End the pause of everything, and notify the loops."""
    await connection.execute(RESUME)
    await connection.execute(WAKE)


async def refuse_key(pool: Pool, key: str, retry_in: float) -> None:
    """Record that Vapi refuses the key with this fingerprint."""
    await pool.execute(REFUSE_KEY, key, retry_in)


async def accept_key(pool: Pool) -> bool:
    """Record that Vapi accepts the key; True when it had been refused."""
    return bool(await pool.fetchval(ACCEPT_KEY))


async def try_key(pool: Pool, key: str, retry_in: float) -> bool:
    """Claim the retry of a refused key; False when it is not due or another replica has it."""
    return bool(await pool.fetchval(TRY_KEY, key, retry_in))
