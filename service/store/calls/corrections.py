"""Which of two decisions on one call stands, and the exchange of the one that does not.

The stored decision stands, but for one rule that makes the order of draining spools immaterial: a
decision that was acted on before it could be recorded replaces a stored one that it outranks. A decision
from the beginning of the call outranks a reconstructed one; of two of a kind the one with the earlier
`decided_at` does, then the smaller id. What was decided with PostgreSQL at hand was never acted on
before it was recorded: it takes the stored decision over instead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from service.domain.calls import NewCall
from service.domain.decisions import Decision
from service.store.calls.decisions import StoredDecision, dump_decision
from service.store.pool import Connection, Pool
from service.store.queue import HangupJob, enqueue_hangups

# A hang-up that was ordered by a denial that does not stand is withdrawn: its job finds nothing to do.
# One that ends a call with its organization's access stays. An end that is proved stays too, and one
# that was claimed counts for a call that is granted after all: nothing asks Vapi about it any more. No
# replica runs the first round of a guess before its time, $13.
CORRECT = """
UPDATE callgate.calls SET
    decision = $3, reason = $4, blocked = $5, gate = $6, goodbye = $7,
    control_url = coalesce(control_url, $8),
    ended_at = CASE WHEN $5 OR cut_at IS NOT NULL THEN ended_at
        ELSE coalesce(ended_at, end_claimed_at) END,
    status = CASE WHEN $5 THEN 'failed'
        WHEN ended_at IS NOT NULL OR cut_at IS NULL AND end_claimed_at IS NOT NULL THEN 'ended'
        ELSE 'in-progress' END,
    hangup_state = CASE WHEN $9 THEN CASE WHEN end_proved THEN 'confirmed' ELSE 'pending' END
        WHEN cut_at IS NOT NULL AND NOT $5 THEN hangup_state END,
    hangup_rounds = CASE WHEN $9 THEN 0 ELSE hangup_rounds END,
    hangup_due_at = CASE WHEN NOT $9 THEN hangup_due_at
        ELSE now() + CASE WHEN hangup_state IS NULL THEN $13 ELSE interval '0' END END,
    hangup_claimed_until = CASE WHEN hangup_state IS NULL AND $13 > interval '0' THEN now() + $13
        ELSE hangup_claimed_until END,
    cut_at = CASE WHEN $5 THEN NULL ELSE cut_at END,
    cut_reason = CASE WHEN $5 THEN NULL ELSE cut_reason END,
    lived_seconds = CASE WHEN $5 THEN lived_seconds END, slots = $14,
    corrected_at = clock_timestamp(), updated_at = now()
WHERE vapi_call_id = $1 AND organization_id IS NOT DISTINCT FROM $2
    AND (decision ->> 'basis' = 'reconstructed', (decision ->> 'decided_at')::timestamptz,
        (decision ->> 'id')::uuid) > ($10, $11, $12)
RETURNING vapi_call_id
"""

# Without an instant nothing: a replica that begins has no decision in memory.
LIST_CORRECTED = """
SELECT now() AS now, array(
    SELECT vapi_call_id FROM callgate.calls WHERE corrected_at > $1
    ORDER BY corrected_at DESC LIMIT $2) AS corrected
"""
MOST_CORRECTED = 20_000

log = structlog.get_logger()


def rank(decision: Decision) -> tuple[bool, datetime, str]:
    """What decides between two decisions on one call; the smaller one stands."""
    return decision.basis == "reconstructed", decision.decided_at, str(decision.id)


def guess_seconds(call: NewCall) -> float:
    """How long a call whose denial is a guess is not hung up; 0 for others."""
    return (call.hangup_after_seconds or 0.0) if call.guessed else 0.0


async def correct_decisions(
    connection: Connection, calls: Sequence[NewCall], rows: Mapping[str, StoredDecision]
) -> set[str]:
    """Exchange stored decisions that decisions of `calls` outrank; returns the ids of those calls."""
    outranking = [
        call
        for call in calls
        if call.acted and rank(call.decision) < rank(rows[call.vapi_call_id].decision)
    ]
    if not outranking:
        return set()
    corrected = set()
    async with connection.transaction():
        for call in outranking:
            if await correct_decision(connection, call):
                corrected.add(call.vapi_call_id)
        jobs = [
            HangupJob(call.vapi_call_id, guess_seconds(call))
            for call in outranking
            if call.vapi_call_id in corrected and call.hangup_after_seconds is not None
        ]
        if jobs:
            await enqueue_hangups(connection, jobs)
    return corrected


async def correct_decision(connection: Connection, call: NewCall) -> bool:
    """Exchange the stored decision of a call; False if a third one stands by now."""
    decision = call.decision
    found = await connection.fetchval(
        CORRECT,
        *call.key,
        dump_decision(decision),
        decision.reason,
        call.blocked,
        call.gate,
        call.goodbye,
        call.control_url,
        call.hangup_after_seconds is not None,
        decision.basis == "reconstructed",
        decision.decided_at,
        decision.id,
        timedelta(seconds=guess_seconds(call)),
        list(call.slots) or None,
    )
    if found is not None:
        log.warning(
            "call.decision_corrected",
            call_id=call.vapi_call_id,
            organization_id=call.organization_id,
            decision_id=decision.id,
            allowed=decision.allowed,
            reason=decision.reason,
        )
    return found is not None


async def list_corrected(pool: Pool, since: datetime | None) -> tuple[datetime, list[str]]:
    """Now, and the calls whose decision was exchanged since an instant, the newest first."""
    row = await pool.fetchrow(LIST_CORRECTED, since, MOST_CORRECTED)
    assert row is not None
    return row["now"], row["corrected"]
