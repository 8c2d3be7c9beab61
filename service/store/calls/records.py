"""The write side of `callgate.calls`: one row a call, its decision, its hang-up, its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from policies.contract import Effect
from service.domain.calls import CallEnd, HangupState, NewCall
from service.domain.decisions import Decision, TraceEntry
from service.store.pool import Connection, Pool
from service.store.queue import HangupJob, enqueue_hangups

# A call without an organization is taken over by a later message that identifies one.
INSERT = """
INSERT INTO callgate.calls AS c (
    vapi_call_id, organization_id, phone_number_id, vapi_phone_number_id, type, status, blocked,
    reason, gate, decision, control_url, hangup_state, started_at, ended_at, ended_reason,
    duration_seconds, cost, goodbye, missed, number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20)
ON CONFLICT ON CONSTRAINT calls_vapi_call_id_key DO UPDATE SET
    organization_id = excluded.organization_id, phone_number_id = excluded.phone_number_id,
    vapi_phone_number_id = excluded.vapi_phone_number_id, status = excluded.status,
    blocked = excluded.blocked, reason = excluded.reason, gate = excluded.gate,
    decision = excluded.decision, control_url = excluded.control_url,
    hangup_state = excluded.hangup_state, goodbye = excluded.goodbye,
    ended_at = coalesce(c.ended_at, excluded.ended_at), updated_at = now()
WHERE c.organization_id IS NULL AND excluded.organization_id IS NOT NULL
RETURNING vapi_call_id
"""

FIND_STORED = """
SELECT vapi_call_id, organization_id, blocked, gate, decision, ended_at, hangup_state
FROM callgate.calls WHERE vapi_call_id = ANY($1::text[])
"""

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
SPEAK = """
UPDATE callgate.calls SET goodbye = NULL, quiet_until = now() + make_interval(secs => $2),
    updated_at = now()
WHERE vapi_call_id = $1
"""

# Reports arrive in any order and repeatedly: known values stay, new ones are added.
RECORD_END = """
UPDATE callgate.calls SET
    status = CASE WHEN status = 'failed' THEN 'failed' ELSE 'ended' END,
    ended_at = coalesce(ended_at, $2),
    ended_reason = coalesce(ended_reason, $3),
    duration_seconds = coalesce($4, duration_seconds),
    cost = coalesce($5, cost),
    hangup_state = CASE WHEN hangup_state IS NULL THEN NULL ELSE 'confirmed' END,
    control_url = NULL,
    lived_seconds = CASE WHEN blocked THEN coalesce(lived_seconds,
        greatest(extract(epoch FROM $2 - created_at)::float8, 0)) ELSE NULL END,
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
class StoredDecision:
    """The stored decision on a call, as its later messages need it."""

    vapi_call_id: str
    organization_id: UUID | None
    blocked: bool
    gate: str
    decision: Decision
    ended: bool
    hangup_state: HangupState | None


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


def dump_decision(decision: Decision) -> dict[str, object]:
    """A decision as its `jsonb` column stores it."""
    return {
        "id": str(decision.id),
        "effect": decision.effect.value,
        "reason": decision.reason,
        "determined_by": decision.determined_by,
        "basis": decision.basis,
        "trace": [
            {
                "policy": entry.policy,
                "effect": entry.effect,
                "reason": entry.reason,
                "counted_as": entry.counted_as,
                "duration_ms": entry.duration_ms,
            }
            for entry in decision.trace
        ],
        "decided_at": decision.decided_at.isoformat(),
    }


def load_decision(raw: dict[str, object]) -> Decision:
    """The inverse of `dump_decision`."""
    trace = raw["trace"]
    assert isinstance(trace, list)
    return Decision(
        id=UUID(str(raw["id"])),
        effect=Effect(str(raw["effect"])),
        reason=str(raw["reason"]),
        determined_by=None if raw["determined_by"] is None else str(raw["determined_by"]),
        basis="fresh" if raw["basis"] == "fresh" else "last_known_good",
        trace=tuple(TraceEntry(**entry) for entry in trace),
        decided_at=datetime.fromisoformat(str(raw["decided_at"])),
    )


def row_of(call: NewCall) -> tuple[object, ...]:
    """The parameters of `INSERT`, in its order."""
    ended = call.ended_at is not None
    status = "ended" if ended else "in-progress"
    if call.blocked:
        status = "failed"
    hangup = None if call.hangup_after_seconds is None else HangupState.PENDING.value
    return (
        call.vapi_call_id,
        call.organization_id,
        call.phone_number_id,
        call.vapi_phone_number_id,
        call.type,
        status,
        call.blocked,
        call.decision.reason,
        call.gate,
        dump_decision(call.decision),
        None if ended else call.control_url,
        hangup,
        call.started_at,
        call.ended_at,
        call.ended_reason,
        call.duration_seconds,
        call.cost,
        call.goodbye,
        call.missed,
        call.number,
    )


async def record_calls(
    connection: Connection, calls: Sequence[NewCall]
) -> tuple[set[str], dict[str, StoredDecision]]:
    """Insert new calls and their hang-up jobs in one transaction, one decision a call.

    Returns the ids that this transaction recorded, and the stored decisions of the others. Rows
    are inserted in the order of their ids, so that two replicas with the same calls wait for each
    other instead of deadlocking.
    """
    ordered = sorted(calls, key=lambda call: call.vapi_call_id)
    ids = [call.vapi_call_id for call in ordered]
    if all(call.hangup_after_seconds is None for call in ordered):
        # One atomic statement needs no transaction, which saves three round trips.
        won = await insert_calls(connection, ordered)
    else:
        async with connection.transaction():
            won = await insert_calls(connection, ordered)
            jobs = [
                HangupJob(call.vapi_call_id, call.hangup_after_seconds)
                for call in ordered
                if call.hangup_after_seconds is not None and call.vapi_call_id in won
            ]
            if jobs:
                await enqueue_hangups(connection, jobs)
    lost = [one for one in ids if one not in won]
    return won, await find_decisions(connection, lost) if lost else {}


async def insert_calls(connection: Connection, calls: Sequence[NewCall]) -> set[str]:
    """Insert rows, all or none; returns the ids of the new ones."""
    recorded = await connection.fetchmany(INSERT, [row_of(call) for call in calls])
    return {str(row["vapi_call_id"]) for row in recorded}


async def find_decisions(
    connection: Connection | Pool, vapi_call_ids: Sequence[str]
) -> dict[str, StoredDecision]:
    """The stored decisions of these calls, by their id at Vapi."""
    rows = await connection.fetch(FIND_STORED, list(vapi_call_ids))
    return {
        row["vapi_call_id"]: StoredDecision(
            vapi_call_id=row["vapi_call_id"],
            organization_id=row["organization_id"],
            blocked=row["blocked"],
            gate=row["gate"],
            decision=load_decision(row["decision"]),
            ended=row["ended_at"] is not None,
            hangup_state=HangupState(row["hangup_state"]) if row["hangup_state"] else None,
        )
        for row in rows
    }


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
    await pool.execute(SPEAK, vapi_call_id, seconds)


async def record_end(pool: Pool, end: CallEnd) -> None:
    """Close a call; a hang-up that was under way is thereby confirmed."""
    await pool.execute(
        RECORD_END,
        end.vapi_call_id,
        end.ended_at,
        end.ended_reason,
        end.duration_seconds,
        end.cost,
    )


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
