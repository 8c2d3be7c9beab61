"""`callgate.webhook_states`: what is known of each number's webhook, and when to look again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, Sync, SyncState
from service.store.pool import Connection, Pool

CHANNEL = "callgate_reconcile"

# A number that may carry our ringing hook comes first: if its organization pays, it is deaf.
FIND_DUE = """
SELECT phone_number_id FROM callgate.webhook_states
WHERE next_attempt_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
ORDER BY ring_on DESC, next_attempt_at LIMIT $1
"""

NEXT_DUE = """
SELECT extract(epoch FROM
    min(greatest(next_attempt_at, coalesce(claimed_until, next_attempt_at))) - now())
FROM callgate.webhook_states WHERE next_attempt_at IS NOT NULL
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

# How many stand still because somebody else keeps changing them, and how many are being released.
COUNT_SPECIAL = """
SELECT count(*) FILTER (WHERE s.problem = 'fight' AND n.released_at IS NULL) AS fights,
    count(*) FILTER (WHERE n.released_at IS NOT NULL) AS releasing
FROM callgate.webhook_states s JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
WHERE s.problem = 'fight' OR n.released_at IS NOT NULL
"""

# Whoever works on it now loses the claim: what is paused is not written by a pass under way.
PAUSE = """
UPDATE callgate.webhook_states SET state = 'paused', paused_at = now(), paused_by = $2,
    paused_reason = $3, paused_until = $4, next_attempt_at = $4, claim = claim + 1,
    claimed_until = NULL
WHERE phone_number_id = $1
"""

RESUME = """
UPDATE callgate.webhook_states SET state = 'pending', paused_at = NULL, paused_by = NULL,
    paused_reason = NULL, paused_until = NULL, failures = 0, next_attempt_at = now()
WHERE phone_number_id = $1
"""

WAKE = "SELECT pg_notify('callgate_reconcile', '')"

# Many rows are locked in the order of their ids, as sweeps do it, so that none locks another out.
# After a pause of everything: numbers that have a pause of their own keep it.
WAKE_PAUSED = """
UPDATE callgate.webhook_states SET state = 'pending', next_attempt_at = now()
WHERE phone_number_id IN (
    SELECT phone_number_id FROM callgate.webhook_states
    WHERE state = 'paused'
        AND NOT (paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > now()))
    ORDER BY phone_number_id FOR UPDATE)
"""

# A key that works again: what failed only because of it need not wait for its time.
WAKE_UNAUTHORIZED = """
UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id IN (
    SELECT phone_number_id FROM callgate.webhook_states
    WHERE problem = 'unauthorized' ORDER BY phone_number_id FOR UPDATE)
"""


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


async def find_due(pool: Pool, limit: int) -> list[UUID]:
    """Numbers whose time has come and that nobody works on, longest due first."""
    return [row["phone_number_id"] for row in await pool.fetch(FIND_DUE, limit)]


async def seconds_to_next(pool: Pool) -> float | None:
    """Seconds until the next number is due (negative: overdue), None when none is waiting."""
    found = await pool.fetchval(NEXT_DUE)
    return None if found is None else float(found)


async def find_sync(pool: Pool, phone_number_id: UUID) -> Sync | None:
    """The stored state of a number's webhook."""
    row = await pool.fetchrow(GET, phone_number_id)
    return None if row is None else sync_of(row)


async def count_by_state(pool: Pool) -> dict[str, int]:
    """How many registered numbers are in each state."""
    return {row["state"]: row["numbers"] for row in await pool.fetch(COUNT_BY_STATE)}


async def count_special(pool: Pool) -> tuple[int, int]:
    """How many numbers are fought over, and how many are on their way back to what was before."""
    row = await pool.fetchrow(COUNT_SPECIAL)
    return (row["fights"], row["releasing"]) if row else (0, 0)


async def pause(
    connection: Connection, phone_number_id: UUID, by: str, reason: str, until: datetime | None
) -> None:
    """Let nothing be changed at Vapi for this number; the loops learn when to look again."""
    await connection.execute(PAUSE, phone_number_id, by, reason, until)
    await connection.execute(WAKE)


async def wake(pool: Pool) -> None:
    """Let the loops look when the next number is due."""
    await pool.execute(WAKE)


async def resume(connection: Connection, phone_number_id: UUID) -> None:
    """End a number's pause and look at it."""
    await connection.execute(RESUME, phone_number_id)


async def wake_paused(connection: Connection) -> None:
    """Look at every number that only the pause of everything held."""
    await connection.execute(WAKE_PAUSED)


async def wake_unauthorized(pool: Pool) -> None:
    """Look at every number that a refused key left behind."""
    await pool.execute(WAKE_UNAUTHORIZED)
