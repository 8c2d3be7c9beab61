"""Hang-ups in `callgate.calls`: their target, state and goodbye. The jobs are in `store.queue`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.calls import HangupState
from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups

FIND_HANGUP_TARGET = """
SELECT vapi_call_id, organization_id, control_url, ended_at, hangup_state, hangup_attempts, gate,
    goodbye
FROM callgate.calls
WHERE vapi_call_id = $1 AND (blocked OR cut_at IS NOT NULL) AND organization_id IS NOT NULL
"""

RECORD_HANGUP = """
UPDATE callgate.calls SET
    hangup_state = CASE WHEN hangup_state = 'confirmed' THEN 'confirmed' ELSE $2 END,
    hangup_attempts = greatest(hangup_attempts, $3),
    control_url = CASE WHEN $2 = 'confirmed' THEN NULL ELSE control_url END,
    lived_seconds = CASE WHEN $2 = 'confirmed' AND blocked THEN
        coalesce(lived_seconds, extract(epoch FROM now() - created_at)::float8)
        ELSE lived_seconds END,
    updated_at = now()
WHERE vapi_call_id = $1
"""

# It is spoken once; until `quiet_until` the call is not hung up.
RECORD_GOODBYE = """
UPDATE callgate.calls SET goodbye = NULL, quiet_until = now() + make_interval(secs => $2),
    updated_at = now()
WHERE vapi_call_id = $1
"""

REOPEN_HANGUP = """
UPDATE callgate.calls SET
    hangup_state = 'pending', control_url = coalesce($2, control_url), updated_at = now()
WHERE vapi_call_id = $1 AND blocked AND ended_at IS NULL AND organization_id IS NOT NULL
    AND (quiet_until IS NULL OR quiet_until < now())
RETURNING vapi_call_id
"""


@dataclass(frozen=True, slots=True)
class HangupTarget:
    """A call to be hung up. `control_url` is a capability: never log it.

    `goodbye` is to be spoken first; None once it has been.
    """

    vapi_call_id: str
    organization_id: UUID
    control_url: str | None
    ended_at: datetime | None
    hangup_state: HangupState | None
    hangup_attempts: int
    gate: str
    goodbye: str | None = None


async def find_hangup_target(pool: Pool, vapi_call_id: str) -> HangupTarget | None:
    """A blocked or cut call of a known organization; None if there is nothing to hang up."""
    row = await pool.fetchrow(FIND_HANGUP_TARGET, vapi_call_id)
    if row is None:
        return None
    state = row["hangup_state"]
    return HangupTarget(**{**dict(row), "hangup_state": HangupState(state) if state else None})


async def record_hangup(pool: Pool, vapi_call_id: str, state: HangupState, attempts: int) -> None:
    """Record the state of the hang-up; `confirmed` stays confirmed."""
    await pool.execute(RECORD_HANGUP, vapi_call_id, state.value, attempts)


async def record_goodbye(pool: Pool, vapi_call_id: str, seconds: float) -> None:
    """Record that the goodbye is being spoken, for `seconds`."""
    await pool.execute(RECORD_GOODBYE, vapi_call_id, seconds)


async def reopen_hangup(pool: Pool, vapi_call_id: str, control_url: str | None) -> bool:
    """Restart the hang-up of a blocked call that still talks; False if the call is over.

    A job that is still queued or running stays the only one.
    """
    async with pool.acquire() as connection, connection.transaction():
        found = await connection.fetchval(REOPEN_HANGUP, vapi_call_id, control_url)
        if found is None:
            return False
        await enqueue_hangups(connection, [HangupJob(vapi_call_id, 0.0)])
        return True
