"""`callgate.webhook_states`: the state of each number's webhook, and when its next pass is due."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, Sync, SyncState
from service.store.pool import Connection, Pool

CHANNEL = "callgate_reconcile"

# Numbers that may have our ringing hook come first: if the organization paid, they are blocked.
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

# All from an index, less the few numbers that are being released: together all rows would be joined.
COUNT_BY_STATE = """
SELECT state, sum(numbers)::bigint AS numbers FROM (
    SELECT state, count(*) AS numbers FROM callgate.webhook_states GROUP BY state
    UNION ALL
    SELECT s.state, -count(*) FROM callgate.phone_numbers n
    JOIN callgate.webhook_states s ON s.phone_number_id = n.id
    WHERE n.released_at IS NOT NULL GROUP BY s.state) AS parts
GROUP BY state HAVING sum(numbers) > 0
"""

RELEASING = """
SELECT coalesce(label, number, vapi_phone_number_id) AS name FROM callgate.phone_numbers
WHERE released_at IS NOT NULL ORDER BY released_at LIMIT $1
"""

# Numbers that are not repaired because another tool keeps reverting them, and numbers in release.
COUNT_SPECIAL = """
SELECT (SELECT count(*) FROM callgate.webhook_states s
        JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
        WHERE s.problem = 'fight' AND n.released_at IS NULL) AS fights,
    (SELECT count(*) FROM callgate.phone_numbers WHERE released_at IS NOT NULL) AS releasing
"""

# A pass under way loses its claim, so it writes nothing once the number is paused. A number that is
# missing at Vapi stays so.
PAUSE = """
UPDATE callgate.webhook_states
SET state = CASE WHEN state = 'missing' THEN state ELSE 'paused' END, paused_at = now(), paused_by = $2,
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

# Rows are locked in the order of their ids, as in sweeps, to avoid deadlocks. Numbers with a pause of
# their own keep it.
WAKE_PAUSED = """
UPDATE callgate.webhook_states SET state = 'pending', next_attempt_at = now()
WHERE phone_number_id IN (
    SELECT phone_number_id FROM callgate.webhook_states
    WHERE state = 'paused'
        AND NOT (paused_at IS NOT NULL AND (paused_until IS NULL OR paused_until > now()))
    ORDER BY phone_number_id FOR UPDATE)
"""

# The key is accepted again: numbers that failed because of it are due now.
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
    """Due numbers without a claim, longest due first."""
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


async def list_releasing(pool: Pool, limit: int) -> list[str]:
    """The names of numbers that are being released, the longest first: no list shows them."""
    return [row["name"] for row in await pool.fetch(RELEASING, limit)]


async def count_special(pool: Pool) -> tuple[int, int]:
    """How many numbers another tool keeps reverting, and how many are being released."""
    row = await pool.fetchrow(COUNT_SPECIAL)
    return (row["fights"], row["releasing"]) if row else (0, 0)


async def pause(
    connection: Connection, phone_number_id: UUID, by: str, reason: str, until: datetime | None
) -> None:
    """Pause a number: nothing is changed at Vapi for it. Notifies the loops."""
    await connection.execute(PAUSE, phone_number_id, by, reason, until)
    await connection.execute(WAKE)


async def wake(pool: Pool) -> None:
    """Notify the loops to check for due numbers."""
    await pool.execute(WAKE)


async def resume(connection: Connection, phone_number_id: UUID) -> None:
    """End a number's pause and make it due."""
    await connection.execute(RESUME, phone_number_id)


async def wake_paused(connection: Connection) -> None:
    """Make numbers due that only the pause of everything held up."""
    await connection.execute(WAKE_PAUSED)


async def wake_unauthorized(pool: Pool) -> None:
    """Make numbers due that failed because the key was refused."""
    await pool.execute(WAKE_UNAUTHORIZED)
