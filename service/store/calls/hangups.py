"""Hang-ups in `callgate.calls`: their target, state and goodbye. The jobs are in `store.queue`."""

from dataclasses import dataclass
from uuid import UUID

from service.domain.calls import HangupState
from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups

FIND_HANGUP_TARGET = """
SELECT c.vapi_call_id, c.organization_id, c.control_url, c.end_proved, c.hangup_state,
    c.hangup_attempts, c.gate, c.goodbye, c.hangup_accepted, u.unsettled,
    c.owner_checked_at IS NOT NULL AS owner_checked,
    extract(epoch FROM now() - c.created_at)::float8 AS age,
    coalesce((SELECT seen_until > c.created_at FROM callgate.call_watch), false) AS listed
FROM callgate.calls c, LATERAL (SELECT EXISTS (SELECT FROM callgate.call_claims k
    WHERE k.vapi_call_id = c.vapi_call_id AND k.settled_at IS NULL) AS unsettled) AS u
WHERE c.vapi_call_id = $1 AND (c.hangup_state IS NOT NULL OR u.unsettled)
"""

RECORD_HANGUP = """
UPDATE callgate.calls SET
    hangup_state = CASE WHEN hangup_state = 'confirmed' AND end_proved THEN 'confirmed' ELSE $2 END,
    hangup_attempts = greatest(hangup_attempts, $3), hangup_accepted = hangup_accepted OR $4,
    control_url = CASE WHEN $2 = 'confirmed' THEN NULL ELSE control_url END,
    lived_seconds = CASE WHEN $2 = 'confirmed' AND blocked THEN
        coalesce(lived_seconds, extract(epoch FROM now() - least(started_at, created_at))::float8)
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
    hangup_state = 'pending', control_url = coalesce($2, control_url), ended_at = NULL,
    updated_at = now()
WHERE vapi_call_id = $1 AND (blocked AND organization_id IS NOT NULL OR hangup_state IS NOT NULL)
    AND (ended_at IS NULL OR NOT end_proved) AND (quiet_until IS NULL OR quiet_until < now())
    AND ($3::uuid IS NULL OR organization_id = $3)
RETURNING vapi_call_id
"""


@dataclass(frozen=True, slots=True)
class HangupTarget:
    """A call to be hung up. `control_url` is a capability: never log it.

    `goodbye` is to be spoken first; None once it has been. `hangup_state` None: nothing is to be hung
    up, but Vapi is to be asked whose call it is (`unsettled`). `age` is in seconds, since the first
    message. `listed`: Vapi's list of calls was read since.
    """

    vapi_call_id: str
    organization_id: UUID | None
    control_url: str | None
    end_proved: bool
    hangup_state: HangupState | None
    hangup_attempts: int
    gate: str
    goodbye: str | None = None
    hangup_accepted: bool = False
    unsettled: bool = False
    owner_checked: bool = False
    age: float = 0.0
    listed: bool = False


async def find_hangup_target(pool: Pool, vapi_call_id: str) -> HangupTarget | None:
    """A call to be hung up, or whose organization is to be settled; None if there is nothing to do."""
    row = await pool.fetchrow(FIND_HANGUP_TARGET, vapi_call_id)
    if row is None:
        return None
    state = row["hangup_state"]
    return HangupTarget(**{**dict(row), "hangup_state": HangupState(state) if state else None})


async def record_hangup(
    pool: Pool, vapi_call_id: str, state: HangupState, attempts: int, *, accepted: bool = False
) -> None:
    """Record the state of the hang-up, and whether Vapi accepted a command."""
    await pool.execute(RECORD_HANGUP, vapi_call_id, state.value, attempts, accepted)


async def record_goodbye(pool: Pool, vapi_call_id: str, seconds: float) -> None:
    """Record that the goodbye is being spoken, for `seconds`."""
    await pool.execute(RECORD_GOODBYE, vapi_call_id, seconds)


async def reopen_hangup(
    pool: Pool,
    vapi_call_id: str,
    control_url: str | None = None,
    organization_id: UUID | None = None,
) -> bool:
    """Restart the hang-up of a blocked call that still talks; False if Vapi's record says it is over.

    A job that is still queued or running stays the only one. `organization_id`: only if the call is
    still this organization's.
    """
    async with pool.acquire() as connection, connection.transaction():
        found = await connection.fetchval(REOPEN_HANGUP, vapi_call_id, control_url, organization_id)
        if found is None:
            return False
        await enqueue_hangups(connection, [HangupJob(vapi_call_id, 0.0)])
        return True


async def ask_owner(pool: Pool, vapi_call_id: str) -> None:
    """Have Vapi asked whose call it is, by the call's one job."""
    async with pool.acquire() as connection, connection.transaction():
        await enqueue_hangups(connection, [HangupJob(vapi_call_id)])
