"""The rows of `callgate.calls`: inserted with their decision and hang-up job, closed at the end."""

from collections.abc import Sequence
from uuid import UUID

from service.domain.calls import CallEnd, HangupState, NewCall
from service.store.calls.decisions import StoredDecision, dump_decision, find_decisions
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


ORGANIZATIONS = """
SELECT organization_id FROM callgate.calls
WHERE vapi_call_id = $1 AND organization_id IS NOT NULL
"""


async def find_organizations_of_call(pool: Pool, vapi_call_id: str) -> set[UUID]:
    """The organizations that a call is recorded for."""
    rows = await pool.fetch(ORGANIZATIONS, vapi_call_id)
    return {row["organization_id"] for row in rows}


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
