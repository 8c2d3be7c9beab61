"""`callgate.call_claims`: decisions for organizations that messages named for another one's call.

The call's own row stays its organization's. Vapi's word settles whose call it is: `confirm_owner`
keeps the row, `change_owner` exchanges row and claim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from service.domain.calls import CallKey, HangupState, NewCall
from service.domain.decisions import Decision
from service.store.calls.decisions import StoredDecision, dump_decision, load_decision
from service.store.calls.details import columns_of
from service.store.pool import Connection, Pool
from service.store.queue import HangupJob, enqueue_hangups

INSERT_CLAIM = """
INSERT INTO callgate.call_claims (vapi_call_id, organization_id, phone_number_id,
    vapi_phone_number_id, gate, blocked, decision)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT call_claims_pkey DO NOTHING
RETURNING vapi_call_id, organization_id
"""

FIND_CLAIMS = """
SELECT vapi_call_id, organization_id, phone_number_id, vapi_phone_number_id, gate, blocked, decision
FROM callgate.call_claims WHERE vapi_call_id = ANY($1::text[])
"""

FIND_ROW = """
SELECT organization_id, vapi_phone_number_id, type, started_at, owner_checked_at, hangup_state
FROM callgate.calls WHERE vapi_call_id = $1
"""

# A row that nothing contests is confirmed by a single statement without a second one. Vapi's word was
# compared with the organization of the row as it was read: one that took it over since is not confirmed.
CONFIRM = """
WITH confirmed AS (
    UPDATE callgate.calls SET owner_checked_at = coalesce(owner_checked_at, now())
    WHERE vapi_call_id = $1 AND organization_id IS NOT DISTINCT FROM $2
    RETURNING vapi_call_id),
settled AS (
    UPDATE callgate.call_claims SET settled_at = now()
    WHERE vapi_call_id IN (SELECT vapi_call_id FROM confirmed) AND settled_at IS NULL)
SELECT true FROM confirmed
"""

KEEP_FORMER = """
INSERT INTO callgate.call_claims (vapi_call_id, organization_id, phone_number_id,
    vapi_phone_number_id, gate, blocked, decision)
SELECT vapi_call_id, organization_id, phone_number_id, vapi_phone_number_id, gate, blocked, decision
FROM callgate.calls WHERE vapi_call_id = $1 AND organization_id IS NOT NULL
ON CONFLICT ON CONSTRAINT call_claims_pkey DO NOTHING
"""

LOCK = """
SELECT vapi_call_id FROM callgate.calls
WHERE vapi_call_id = $1 AND organization_id IS DISTINCT FROM $2 FOR UPDATE
"""

# What another organization's messages said of the call goes with that organization.
CHANGE = """
UPDATE callgate.calls SET
    organization_id = $2, phone_number_id = $3, vapi_phone_number_id = $4, status = $5, blocked = $6,
    reason = $7, gate = $8, decision = $9, control_url = $10, hangup_state = $11,
    hangup_attempts = 0, hangup_accepted = false, hangup_rounds = 0, hangup_due_at = now(),
    hangup_claimed_until = NULL, ended_at = $12, ended_reason = $13,
    duration_seconds = $14, cost = $15, goodbye = NULL, quiet_until = NULL, cut_at = NULL,
    cut_reason = NULL, lived_seconds = NULL, end_proved = $16, duration_claimed = false,
    cost_claimed = false, owner_checked_at = now(), cost_parts = $17,
    customer_number = CASE WHEN customer_number = '' THEN '' ELSE $18 END,
    line_number = $19, assistant_id = $20, connected = $21, doubts = $22, slots = $23,
    end_claimed_at = NULL, updated_at = now()
WHERE vapi_call_id = $1
"""

DROP_CLAIM = "DELETE FROM callgate.call_claims WHERE vapi_call_id = $1 AND organization_id = $2"

# Without an instant nothing: a replica that begins has no decision in memory.
LIST_CONTESTED = """
SELECT now() AS now, array(
    SELECT DISTINCT vapi_call_id FROM (
        (SELECT vapi_call_id FROM callgate.call_claims WHERE created_at > $1
            ORDER BY created_at DESC LIMIT $2)
        UNION ALL
        (SELECT vapi_call_id FROM callgate.call_claims WHERE settled_at > $1
            ORDER BY settled_at DESC LIMIT $2)) AS changed) AS contested
"""
MOST_CONTESTED = 20_000

COUNT_CLAIMED = """
SELECT count(*) FROM callgate.calls WHERE vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_claims WHERE created_at >= $1)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A decision for an organization that a message named."""

    organization_id: UUID
    phone_number_id: UUID | None
    vapi_phone_number_id: str | None
    gate: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Contest:
    """A call's row, as far as its organization is in question, and the claims on it."""

    organization_id: UUID | None
    vapi_phone_number_id: str | None
    type: str | None
    started_at: datetime | None
    checked: bool
    hung_up: bool
    claims: Mapping[UUID, Claim]


async def insert_claims(connection: Connection, calls: Sequence[NewCall]) -> set[CallKey]:
    """Insert claims, each with a job that asks Vapi; returns the keys of the new ones."""
    async with connection.transaction():
        rows = await connection.fetchmany(
            INSERT_CLAIM,
            [
                (
                    call.vapi_call_id,
                    call.organization_id,
                    call.phone_number_id,
                    call.vapi_phone_number_id,
                    call.gate,
                    call.blocked,
                    dump_decision(call.decision),
                )
                for call in calls
            ],
        )
        found = {(str(row["vapi_call_id"]), row["organization_id"]) for row in rows}
        if found:
            await enqueue_hangups(
                connection, [HangupJob(one) for one in sorted({k[0] for k in found})]
            )
    return found


async def find_claims(
    connection: Connection | Pool, owners: Mapping[str, StoredDecision]
) -> dict[CallKey, StoredDecision]:
    """The claims on these calls; `owners` are the decisions of the calls' own organizations."""
    rows = await connection.fetch(FIND_CLAIMS, list(owners))
    found = {}
    for row in rows:
        owner = owners[row["vapi_call_id"]]
        claim = replace(
            owner,
            organization_id=row["organization_id"],
            vapi_phone_number_id=row["vapi_phone_number_id"],
            blocked=row["blocked"],
            gate=row["gate"],
            decision=load_decision(row["decision"]),
            hung_up=False,
            owner=owner,
            slots=(),
        )
        found[claim.key] = claim
    return found


async def list_contested(pool: Pool, since: datetime | None) -> tuple[datetime, list[str]]:
    """Now, and the calls with a claim that was recorded or settled since an instant, the newest."""
    row = await pool.fetchrow(LIST_CONTESTED, since, MOST_CONTESTED)
    assert row is not None
    return row["now"], row["contested"]


async def find_contest(pool: Pool, vapi_call_id: str) -> Contest | None:
    """The row of a call and the claims on it; None if the call is not recorded."""
    row = await pool.fetchrow(FIND_ROW, vapi_call_id)
    if row is None:
        return None
    claims = [
        Claim(
            one["organization_id"],
            one["phone_number_id"],
            one["vapi_phone_number_id"],
            one["gate"],
            load_decision(one["decision"]),
        )
        for one in await pool.fetch(FIND_CLAIMS, [vapi_call_id])
    ]
    return Contest(
        row["organization_id"],
        row["vapi_phone_number_id"],
        row["type"],
        row["started_at"],
        row["owner_checked_at"] is not None,
        row["hangup_state"] is not None,
        {claim.organization_id: claim for claim in claims},
    )


async def confirm_owner(pool: Pool, vapi_call_id: str, organization_id: UUID | None) -> bool:
    """Record that the call is this organization's, by Vapi's word; False if its row is another's."""
    return bool(await pool.fetchval(CONFIRM, vapi_call_id, organization_id))


async def change_owner(pool: Pool, call: NewCall) -> bool:
    """Give a call to its true organization, by Vapi's word; the former one keeps its claim.

    Enqueues the hang-up if that organization's decision blocks the call. False if another replica
    was first.
    """
    ended, hang_up = call.ended_at is not None, call.hangup_after_seconds is not None
    status = "failed" if call.blocked else "ended" if ended else "in-progress"
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(LOCK, *call.key) is None:
            return False
        await connection.execute(KEEP_FORMER, call.vapi_call_id)
        await connection.execute(
            CHANGE,
            *call.key,
            call.phone_number_id,
            call.vapi_phone_number_id,
            status,
            call.blocked,
            call.decision.reason,
            call.gate,
            dump_decision(call.decision),
            None if ended else call.control_url,
            HangupState.PENDING.value if hang_up else None,
            call.ended_at,
            call.ended_reason,
            call.duration_seconds,
            call.cost,
            call.end_proved,
            call.cost_parts,
            *columns_of(call.details),
            list(call.slots) or None,
        )
        await connection.execute(DROP_CLAIM, *call.key)
        await connection.execute(CONFIRM, *call.key)
        if hang_up:
            await enqueue_hangups(connection, [HangupJob(call.vapi_call_id)])
    return True


async def count_claimed(pool: Pool, since: datetime) -> int:
    """Calls that messages since then claimed for two organizations."""
    return int(await pool.fetchval(COUNT_CLAIMED, since))
