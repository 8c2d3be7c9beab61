"""Hang-ups in `callgate.calls`: their target, state, rounds and goodbye. The jobs are in `store.queue`.

A round is run by the holder of its claim: the replica that recorded the call, the worker with the job,
or a sweep that found it overdue. The claim is a time in the row, so that a replica that dies holds a
call up for a few seconds only.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from service.domain.calls import HangupState
from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups

FIRST_CLAIM_SECONDS = 2.0
"""How long the replica that orders a hang-up has for the first round: Vapi is asked for one second."""
HANDOVER_SECONDS = 0.7
"""When the job verifies the first round, or runs it if the replica that ordered it has died."""
CLAIM_SECONDS = 5.0
OVERDUE_SECONDS = 1.0
"""How late a round must be before a sweep runs it: the worker's jobs come first."""

Reopened = Literal["reopened", "busy", "over", "unknown"]
AskedOwner = Literal["asked", "no_call", "no_claim"]
"""The last two: a failover lost the row of the call, or the claim of the organization."""
"""`reopened`: the caller runs the next round. `busy`: another replica runs one. `over`: there is nothing
to hang up, or the goodbye is being spoken. `unknown`: the call has no row."""

FIND_HANGUP_TARGET = """
SELECT c.vapi_call_id, c.organization_id, c.control_url, c.end_proved, c.hangup_state,
    c.hangup_attempts, c.gate, c.goodbye, c.hangup_accepted, u.unsettled,
    c.owner_checked_at IS NOT NULL AS owner_checked, c.hangup_rounds AS rounds,
    coalesce(extract(epoch FROM c.hangup_claimed_until - now()), 0)::float8 AS claimed_seconds,
    coalesce(extract(epoch FROM c.quiet_until - now()), 0)::float8 AS quiet_seconds,
    extract(epoch FROM now() - c.created_at)::float8 AS age, c.started_at AS began,
    coalesce((SELECT seen_until > c.created_at FROM callgate.call_watch), false) AS listed
FROM callgate.calls c, LATERAL (SELECT EXISTS (SELECT FROM callgate.call_claims k
    WHERE k.vapi_call_id = c.vapi_call_id AND k.settled_at IS NULL) AS unsettled) AS u
WHERE c.vapi_call_id = $1 AND (c.hangup_state IS NOT NULL OR u.unsettled)
"""

CLAIM_ROUND = """
UPDATE callgate.calls SET hangup_claimed_until = now() + make_interval(secs => $2),
    hangup_due_at = now() + make_interval(secs => $2)
WHERE vapi_call_id = $1 AND hangup_state IS NOT NULL
    AND (hangup_claimed_until IS NULL OR hangup_claimed_until <= now())
RETURNING true
"""

CLAIM_OVERDUE = """
UPDATE callgate.calls SET hangup_claimed_until = now() + make_interval(secs => $1),
    hangup_due_at = now() + make_interval(secs => $1)
WHERE vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.calls
    WHERE hangup_state = 'pending' AND NOT end_proved
        AND coalesce(hangup_due_at, updated_at) < now() - make_interval(secs => $2)
        AND (hangup_claimed_until IS NULL OR hangup_claimed_until <= now())
        AND (quiet_until IS NULL OR quiet_until <= now())
    ORDER BY hangup_due_at NULLS FIRST LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING vapi_call_id
"""

# A round that outlived its claim may come after another that ran in its place, or after a message that
# began the rounds anew: then it is not the next one in the row, and says nothing of the state.
RECORD_HANGUP = """
UPDATE callgate.calls SET
    hangup_state = CASE WHEN hangup_state = 'confirmed' AND end_proved THEN 'confirmed' ELSE $2 END,
    hangup_attempts = greatest(hangup_attempts, $3), hangup_accepted = hangup_accepted OR $4,
    hangup_rounds = greatest(hangup_rounds, $5), hangup_claimed_until = NULL,
    hangup_due_at = now() + make_interval(secs => $6),
    control_url = CASE WHEN $2 = 'confirmed' THEN NULL ELSE control_url END,
    lived_seconds = CASE WHEN $2 = 'confirmed' AND blocked THEN
        coalesce(lived_seconds, extract(epoch FROM now() - least(started_at, created_at))::float8)
        ELSE lived_seconds END,
    updated_at = now()
WHERE vapi_call_id = $1 AND hangup_state IS NOT NULL AND ($2 = 'confirmed' OR hangup_rounds = $5 - 1)
RETURNING true
"""

COUNT_COMMANDS = """
UPDATE callgate.calls SET hangup_attempts = greatest(hangup_attempts, $2),
    hangup_accepted = hangup_accepted OR $3, updated_at = now()
WHERE vapi_call_id = $1 AND hangup_state IS NOT NULL
"""

# It is spoken once; until `quiet_until` the call is not hung up.
RECORD_GOODBYE = """
UPDATE callgate.calls SET goodbye = NULL, quiet_until = now() + make_interval(secs => $2),
    updated_at = now()
WHERE vapi_call_id = $1
"""

LOCK = """
SELECT (blocked AND organization_id IS NOT NULL OR hangup_state IS NOT NULL)
        AND (ended_at IS NULL OR NOT end_proved) AND (quiet_until IS NULL OR quiet_until < now())
        AND ($2::uuid IS NULL OR organization_id = $2) AS talks,
    coalesce(hangup_claimed_until > now(), false) AS busy
FROM callgate.calls WHERE vapi_call_id = $1 FOR UPDATE
"""

# An end that only a 404 proved is taken back. A call that talks begins its rounds anew: its messages
# must not use up those that are left when it goes on silently. A round that runs keeps its count and its
# claim, which is never made longer: its holder may be gone, and messages come faster than it would end.
REOPEN_HANGUP = """
UPDATE callgate.calls SET
    hangup_state = 'pending', control_url = coalesce($2, control_url), ended_at = NULL,
    ended_reason = nullif(ended_reason, 'not-found'),
    status = CASE WHEN status = 'ended' THEN 'in-progress' ELSE status END,
    hangup_rounds = CASE WHEN hangup_state = 'pending' AND hangup_claimed_until > now()
        THEN hangup_rounds ELSE 0 END,
    hangup_claimed_until = CASE WHEN hangup_claimed_until > now() THEN hangup_claimed_until
        ELSE now() + make_interval(secs => $3) END,
    hangup_due_at = CASE WHEN hangup_claimed_until > now()
        THEN least(hangup_due_at, hangup_claimed_until)
        ELSE now() + make_interval(secs => $3) END,
    updated_at = now()
WHERE vapi_call_id = $1
"""

FIND_CLAIMANT = """
SELECT EXISTS (SELECT FROM callgate.calls WHERE vapi_call_id = $1) AS recorded,
    EXISTS (SELECT FROM callgate.calls WHERE vapi_call_id = $1 AND organization_id = $2
        UNION ALL SELECT FROM callgate.call_claims WHERE vapi_call_id = $1 AND organization_id = $2)
        AS claimed
"""


@dataclass(frozen=True, slots=True)
class HangupTarget:
    """A call to be hung up. `control_url` is a capability: never log it.

    `goodbye` is to be spoken first; None once it has been. `hangup_state` None: nothing is to be hung
    up, but Vapi is to be asked whose call it is (`unsettled`). `age` is in seconds, since the first
    message. `began`: when the call did; None: just now, as far as we know. `listed`: Vapi's list of
    calls was read since. `rounds` were run before. For so many seconds a replica still runs a round
    (`claimed_seconds`), the goodbye is still spoken (`quiet_seconds`). `url_proved` as of a `NewCall`;
    the row does not keep it.
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
    began: datetime | None = None
    listed: bool = False
    rounds: int = 0
    claimed_seconds: float = 0.0
    quiet_seconds: float = 0.0
    url_proved: bool = False

    @property
    def commands_first(self) -> bool:
        """Whether the first command need not wait for Vapi's word. A goodbye does: it is long."""
        return self.url_proved and self.control_url is not None and self.goodbye is None


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round leaves in the call's row: the state, the commands sent in all, whether Vapi accepted
    one now, the rounds in all, and the seconds until the next one is due."""

    state: HangupState
    attempts: int
    accepted: bool = False
    rounds: int = 0
    due_in: float | None = None


async def find_hangup_target(pool: Pool, vapi_call_id: str) -> HangupTarget | None:
    """A call to be hung up, or whose organization is to be settled; None if there is nothing to do."""
    row = await pool.fetchrow(FIND_HANGUP_TARGET, vapi_call_id)
    if row is None:
        return None
    state = row["hangup_state"]
    return HangupTarget(**{**dict(row), "hangup_state": HangupState(state) if state else None})


async def claim_round(pool: Pool, vapi_call_id: str) -> bool:
    """Claim the next round of a hang-up; False while another replica runs one."""
    return bool(await pool.fetchval(CLAIM_ROUND, vapi_call_id, CLAIM_SECONDS))


async def claim_overdue(pool: Pool, limit: int) -> list[str]:
    """Claim rounds that should have begun: their job, or the worker that has it, is lost or late."""
    rows = await pool.fetch(CLAIM_OVERDUE, CLAIM_SECONDS, OVERDUE_SECONDS, limit)
    return [row["vapi_call_id"] for row in rows]


async def record_hangup(pool: Pool, vapi_call_id: str, result: RoundResult) -> bool:
    """Record a round, and give its claim back; False if it is not the call's next one any more: then
    its commands alone count."""
    sent = result.attempts, result.accepted
    recorded = await pool.fetchval(
        RECORD_HANGUP, vapi_call_id, result.state.value, *sent, result.rounds, result.due_in
    )
    if not recorded:
        await pool.execute(COUNT_COMMANDS, vapi_call_id, *sent)
    return bool(recorded)


async def record_goodbye(pool: Pool, vapi_call_id: str, seconds: float) -> None:
    """Record that the goodbye is being spoken, for `seconds`."""
    await pool.execute(RECORD_GOODBYE, vapi_call_id, seconds)


async def reopen_hangup(
    pool: Pool,
    vapi_call_id: str,
    control_url: str | None = None,
    organization_id: UUID | None = None,
) -> Reopened:
    """Restart the hang-up of a call that still talks, and claim its next round.

    A job that is still queued or running stays the only one. `organization_id`: only if the call is
    still this organization's.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(LOCK, vapi_call_id, organization_id)
        if row is None:
            return "unknown"
        if not row["talks"]:
            return "over"
        await connection.execute(REOPEN_HANGUP, vapi_call_id, control_url, FIRST_CLAIM_SECONDS)
        await enqueue_hangups(connection, [HangupJob(vapi_call_id)])
        return "busy" if row["busy"] else "reopened"


async def ask_owner(pool: Pool, vapi_call_id: str, claimed_by: UUID | None) -> AskedOwner:
    """Have Vapi asked whose call it is, by the call's one job, if the call has a row."""
    async with pool.acquire() as connection, connection.transaction():
        found = await connection.fetchrow(FIND_CLAIMANT, vapi_call_id, claimed_by)
        assert found is not None
        if not found["recorded"]:
            return "no_call"
        await enqueue_hangups(connection, [HangupJob(vapi_call_id)])
        return "asked" if found["claimed"] else "no_claim"
