"""The rows of `callgate.calls`, inserted with their decision and hang-up job; `closing` ends them.

A call that is recorded already keeps its decision, unless one that was acted on outranks it
(`corrections`), and takes over what else a later record knows: an earlier beginning, a control URL, an
end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from service.domain.call_records.details import merge_details
from service.domain.calls import CallKey, HangupState, NewCall
from service.store.calls.claims import find_claims, insert_claims
from service.store.calls.closing import close_call, end_of
from service.store.calls.corrections import correct_decisions
from service.store.calls.decisions import StoredDecision, dump_decision, find_decisions
from service.store.calls.details import columns_of, merge_stored_details
from service.store.calls.hangups import FIRST_CLAIM_SECONDS, HANDOVER_SECONDS
from service.store.pool import Connection, Pool
from service.store.queue import ENQUEUE_ORDERED, HangupJob, enqueue_hangups

# A call without an organization is taken over by a later message that identifies one, unless Vapi
# has told that the call has none. `key` finds the month in whose partition the one row of the call
# stands; a rival that records the same call waits for it there.
KEY = """
WITH known AS (SELECT month FROM callgate.calls WHERE vapi_call_id = $1),
key AS (
    INSERT INTO callgate.call_keys AS k (vapi_call_id, month)
    VALUES ($1, coalesce((SELECT month FROM known),
        date_trunc('month', now() AT TIME ZONE 'UTC')::date))
    ON CONFLICT ON CONSTRAINT call_keys_pkey DO UPDATE SET month = k.month
    RETURNING month, k.xmax = 0 AND NOT EXISTS (SELECT FROM known) AS is_first)
"""
RECORD = """
INSERT INTO callgate.calls AS c (
    vapi_call_id, organization_id, phone_number_id, vapi_phone_number_id, type, status, blocked,
    reason, gate, decision, control_url, hangup_state, started_at, ended_at, ended_reason,
    duration_seconds, cost, goodbye, missed, number, end_proved, duration_claimed, cost_claimed,
    hangup_due_at, hangup_claimed_until, cost_parts, customer_number, line_number, assistant_id,
    connected, doubts, month, slots)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21, NOT $21 AND $16::float8 IS NOT NULL, NOT $21 AND $17::numeric IS NOT NULL,
    now() + make_interval(secs => $22), now() + make_interval(secs => $23),
    $24, $25, $26, $27, $28, $29, (SELECT month FROM key), $30)
ON CONFLICT ON CONSTRAINT calls_vapi_call_id_key DO UPDATE SET
    organization_id = excluded.organization_id, phone_number_id = excluded.phone_number_id,
    vapi_phone_number_id = excluded.vapi_phone_number_id,
    status = CASE WHEN excluded.blocked THEN 'failed' WHEN c.ended_at IS NOT NULL THEN 'ended'
        ELSE 'in-progress' END,
    blocked = excluded.blocked, reason = excluded.reason, gate = excluded.gate,
    decision = excluded.decision, control_url = coalesce(excluded.control_url, c.control_url),
    hangup_state = excluded.hangup_state, goodbye = excluded.goodbye, slots = excluded.slots,
    hangup_attempts = 0, hangup_rounds = 0, hangup_due_at = excluded.hangup_due_at,
    hangup_claimed_until = excluded.hangup_claimed_until,
    started_at = least(c.started_at, excluded.started_at),
    type = coalesce(c.type, excluded.type),
    customer_number = least(c.customer_number, excluded.customer_number),
    line_number = least(c.line_number, excluded.line_number),
    assistant_id = least(c.assistant_id, excluded.assistant_id),
    connected = c.connected OR excluded.connected,
    doubts = array(SELECT DISTINCT unnest(c.doubts || excluded.doubts) ORDER BY 1), updated_at = now()
WHERE c.organization_id IS NULL AND excluded.organization_id IS NOT NULL
    AND c.owner_checked_at IS NULL
RETURNING vapi_call_id, organization_id, (SELECT is_first FROM key) AS inserted
"""

INSERT = KEY + RECORD
# $31: the seconds until the job of a call that is to be hung up, else null.
INSERT_WITH_JOB = f"""
{KEY}, recorded AS ({RECORD}),
ordered AS (SELECT vapi_call_id, $31::float8 AS after_seconds FROM recorded
    WHERE $31::float8 IS NOT NULL)
{ENQUEUE_ORDERED}
SELECT vapi_call_id, organization_id, inserted FROM recorded
"""  # noqa: S608 - a constant

FEW = 4
"""So many calls are recorded sooner with their jobs in one round trip; more of them with all jobs in a
statement of its own, which takes three round trips more and less work."""

# The first stored decision holds; one that was recorded from memory, at the call's end, gets its trace.
# The URL of a call that has ended is erased by a trigger.
MERGE = """
UPDATE callgate.calls SET
    started_at = least(started_at, $3::timestamptz), type = coalesce(type, $4::text),
    phone_number_id = coalesce(phone_number_id, $5::uuid),
    vapi_phone_number_id = coalesce(vapi_phone_number_id, $6::text),
    control_url = coalesce(control_url, $7::text),
    gate = CASE WHEN decision->'trace' = '[]' AND decision->>'id' = $8::jsonb->>'id'
        THEN $9::text ELSE gate END,
    decision = CASE WHEN decision->'trace' = '[]' AND decision->>'id' = $8::jsonb->>'id'
        THEN $8::jsonb ELSE decision END,
    slots = CASE WHEN decision->'trace' = '[]' AND decision->>'id' = $8::jsonb->>'id'
        THEN $10::text[] ELSE slots END,
    updated_at = now()
WHERE vapi_call_id = $1 AND ($2::uuid IS NULL OR organization_id = $2)
    AND (started_at > $3::timestamptz OR type IS NULL AND $4::text IS NOT NULL
        OR phone_number_id IS NULL AND $5::uuid IS NOT NULL
        OR vapi_phone_number_id IS NULL AND $6::text IS NOT NULL
        OR control_url IS NULL AND $7::text IS NOT NULL AND ended_at IS NULL
        OR decision->>'id' = $8::jsonb->>'id' AND decision->'trace' = '[]'
            AND $8::jsonb->'trace' <> '[]')
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
    after = call.hangup_after_seconds
    hangup = None if after is None else HangupState.PENDING.value
    # The replica that records a call to be hung up at once runs the first round. No replica runs one
    # before a guess has had its time: a message that asks for one finds the claim.
    claimed = FIRST_CLAIM_SECONDS if after == 0 else after if call.guessed else None
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
        claimed or after,
        claimed,
        call.cost_parts,
        *columns_of(call.details),
        list(call.slots) or None,
    )


async def record_calls(
    connection: Connection, calls: Sequence[NewCall]
) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
    """Insert new calls and their hang-up jobs, all or none, one decision a call.

    A call that is recorded for another organization becomes a claim on it, with a job that asks Vapi
    whose call it is. Returns the keys that this transaction recorded, and the stored decisions of
    the others and of all claims. Rows are inserted in the order of their ids, so that two replicas
    with the same calls wait for each other instead of deadlocking.
    """
    ordered = sorted(calls, key=lambda call: call.vapi_call_id)
    if all(call.hangup_after_seconds is None for call in ordered):
        recorded = await insert_calls(connection, ordered)
    elif len(ordered) <= FEW:
        recorded = await insert_calls_with_jobs(connection, ordered)
    else:
        async with connection.transaction():
            recorded = await insert_calls(connection, ordered)
            jobs = [(call, seconds_to_job(call)) for call in ordered if call.key in recorded]
            await enqueue_hangups(
                connection, [HangupJob(one.vapi_call_id, after) for one, after in jobs if after]
            )
    won = set(recorded)
    await merge_ends(connection, [call for call in ordered if not recorded.get(call.key, True)])
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
    own = [call for call in lost if call not in rivals]
    await merge_facts(connection, own, rows)
    await merge_ends(connection, own)
    if corrected := await correct_decisions(connection, own, rows):
        rows |= await find_decisions(connection, list(corrected))
    stored = {call.key: rows[call.vapi_call_id] for call in own}
    if not rivals:
        return set(), stored
    fresh = await insert_claims(connection, rivals)
    contested = {call.vapi_call_id: rows[call.vapi_call_id] for call in rivals}
    return fresh, stored | await find_claims(connection, contested)


async def merge_facts(
    connection: Connection, calls: Sequence[NewCall], rows: Mapping[str, StoredDecision]
) -> None:
    """Give recorded calls what later records know of them; most know nothing new."""
    for call in calls:
        row = rows[call.vapi_call_id]
        earlier = row.started_at is None or call.started_at < row.started_at
        if earlier or row.lacks_facts:
            await connection.execute(
                MERGE,
                *call.key,
                call.started_at,
                call.type,
                call.phone_number_id,
                call.vapi_phone_number_id,
                call.control_url,
                dump_decision(call.decision),
                call.gate,
                list(call.slots) or None,
            )
        if merge_details(row.details, call.details) != row.details:
            await merge_stored_details(connection, call.key, call.details)


async def merge_ends(connection: Connection, calls: Sequence[NewCall]) -> None:
    """Close recorded calls whose later record reports their end."""
    for end in map(end_of, calls):
        if end is not None:
            await close_call(connection, end)


async def insert_calls(connection: Connection, calls: Sequence[NewCall]) -> dict[CallKey, bool]:
    """Insert rows, all or none.

    Returns the keys that are recorded now, and whether the row is new: False for a row without an
    organization that this record took over.
    """
    rows = await connection.fetchmany(INSERT, [row_of(call) for call in calls])
    return recorded_of(rows)


async def insert_calls_with_jobs(
    connection: Connection, calls: Sequence[NewCall]
) -> dict[CallKey, bool]:
    """The same, with the jobs of those that are to be hung up."""
    rows = [(*row_of(call), seconds_to_job(call)) for call in calls]
    return recorded_of(await connection.fetchmany(INSERT_WITH_JOB, rows))


def seconds_to_job(call: NewCall) -> float | None:
    """When the job of a call's hang-up begins; the first round at once is not the job's."""
    after = call.hangup_after_seconds
    return None if after is None else after or HANDOVER_SECONDS


def recorded_of(rows: Iterable[Mapping[str, Any]]) -> dict[CallKey, bool]:
    """By key, whether the row is new."""
    return {(str(row["vapi_call_id"]), row["organization_id"]): row["inserted"] for row in rows}
