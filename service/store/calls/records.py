"""The rows of `callgate.calls`, inserted with their decision and hang-up job; `ends` closes them."""

from collections.abc import Sequence
from uuid import UUID

from service.domain.calls import CallKey, HangupState, NewCall
from service.store.calls.claims import find_claims, insert_claims
from service.store.calls.decisions import StoredDecision, dump_decision, find_decisions
from service.store.pool import Connection, Pool
from service.store.queue import HangupJob, enqueue_hangups

# A call without an organization is taken over by a later message that identifies one, unless Vapi
# has told that the call has none.
INSERT = """
INSERT INTO callgate.calls AS c (
    vapi_call_id, organization_id, phone_number_id, vapi_phone_number_id, type, status, blocked,
    reason, gate, decision, control_url, hangup_state, started_at, ended_at, ended_reason,
    duration_seconds, cost, goodbye, missed, number, end_proved)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21)
ON CONFLICT ON CONSTRAINT calls_vapi_call_id_key DO UPDATE SET
    organization_id = excluded.organization_id, phone_number_id = excluded.phone_number_id,
    vapi_phone_number_id = excluded.vapi_phone_number_id, status = excluded.status,
    blocked = excluded.blocked, reason = excluded.reason, gate = excluded.gate,
    decision = excluded.decision, control_url = excluded.control_url,
    hangup_state = excluded.hangup_state, goodbye = excluded.goodbye,
    ended_at = coalesce(c.ended_at, excluded.ended_at), updated_at = now()
WHERE c.organization_id IS NULL AND excluded.organization_id IS NOT NULL
    AND c.owner_checked_at IS NULL
RETURNING vapi_call_id, organization_id
"""


ORGANIZATIONS = """
SELECT organization_id FROM callgate.calls
WHERE vapi_call_id = $1 AND organization_id IS NOT NULL
UNION SELECT organization_id FROM callgate.call_claims WHERE vapi_call_id = $1
"""


async def find_organizations_of_call(pool: Pool, vapi_call_id: str) -> set[UUID]:
    """The organizations that a call is recorded for, or that claimed it."""
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
        call.end_proved,
    )


async def record_calls(
    connection: Connection, calls: Sequence[NewCall]
) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
    """Insert new calls and their hang-up jobs in one transaction, one decision a call.

    A call that is recorded for another organization becomes a claim on it, with a job that asks Vapi
    whose call it is. Returns the keys that this transaction recorded, and the stored decisions of
    the others and of all claims. Rows are inserted in the order of their ids, so that two replicas
    with the same calls wait for each other instead of deadlocking.
    """
    ordered = sorted(calls, key=lambda call: call.vapi_call_id)
    if all(call.hangup_after_seconds is None for call in ordered):
        # One atomic statement needs no transaction, which saves three round trips.
        won = await insert_calls(connection, ordered)
    else:
        async with connection.transaction():
            won = await insert_calls(connection, ordered)
            jobs = [
                HangupJob(call.vapi_call_id, call.hangup_after_seconds)
                for call in ordered
                if call.hangup_after_seconds is not None and call.key in won
            ]
            if jobs:
                await enqueue_hangups(connection, jobs)
    lost = [call for call in ordered if call.key not in won]
    if not lost:
        return won, {}
    claimed, stored = await find_or_claim(connection, lost)
    return won | claimed, stored


async def find_or_claim(
    connection: Connection, lost: Sequence[NewCall]
) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
    """The stored decisions of calls that are recorded already, each for its own organization.

    A call without an organization gets the decision of the recorded one.
    """
    rows = await find_decisions(connection, [call.vapi_call_id for call in lost])
    rivals = [
        call
        for call in lost
        if call.organization_id not in (None, rows[call.vapi_call_id].organization_id)
    ]
    stored = {call.key: rows[call.vapi_call_id] for call in lost if call not in rivals}
    if not rivals:
        return set(), stored
    fresh = await insert_claims(connection, rivals)
    contested = {call.vapi_call_id: rows[call.vapi_call_id] for call in rivals}
    return fresh, stored | await find_claims(connection, contested)


async def insert_calls(connection: Connection, calls: Sequence[NewCall]) -> set[CallKey]:
    """Insert rows, all or none; returns the keys of the new ones."""
    recorded = await connection.fetchmany(INSERT, [row_of(call) for call in calls])
    return {(str(row["vapi_call_id"]), row["organization_id"]) for row in recorded}
