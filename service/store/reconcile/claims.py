"""The right to work on one number's webhook, and writing down what the work came to.

A claim is a number that only grows and a time until which it holds. Whoever writes an outcome must
still hold the newest claim, so a replica that was thought dead cannot overwrite its successor's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from service.domain.reconcile import KeptFields, PassResult, WebhookClaim
from service.store.pool import Pool

LEASE_SECONDS = 45.0

# $3: only if it is due, so that the loop leaves alone what somebody else has just done.
# A pause is the number's own or that of everything; the later end counts. `fights` are our repairs
# that somebody undid within the hour, since an admin last looked.
CLAIM = """
UPDATE callgate.webhook_states s
SET claim = s.claim + 1, claimed_until = now() + make_interval(secs => $2)
FROM callgate.phone_numbers n, callgate.reconciliation r
WHERE s.phone_number_id = (
        SELECT phone_number_id FROM callgate.webhook_states
        WHERE phone_number_id = $1 AND (claimed_until IS NULL OR claimed_until < now())
            AND (NOT $3 OR next_attempt_at <= now())
        FOR UPDATE SKIP LOCKED)
    AND n.id = s.phone_number_id
RETURNING s.phone_number_id, s.claim, s.failures, s.original, n.vapi_phone_number_id,
    n.released_at IS NOT NULL AS released, s.level, s.problem, s.last_applied, s.assistant_ids,
    s.ordered_by, s.ordered_from, n.organization_id, n.gate, n.answer_with, s.watched, s.wakes,
    s.ring_texts, s.ring_on, s.fallback_numbers, s.unbound,
    (s.paused_at IS NOT NULL AND (s.paused_until IS NULL OR s.paused_until > now()))
        OR (r.paused_at IS NOT NULL AND (r.paused_until IS NULL OR r.paused_until > now()))
        AS paused,
    CASE WHEN (s.paused_at IS NOT NULL AND s.paused_until IS NULL)
            OR (r.paused_at IS NOT NULL AND r.paused_until IS NULL) THEN NULL
        ELSE extract(epoch FROM greatest(s.paused_until, r.paused_until) - now())::float8
        END AS pause_left,
    ARRAY(SELECT a.vapi_assistant_id FROM callgate.assistants a
        WHERE a.organization_id = n.organization_id) AS owned_assistants,
    (SELECT count(*) FROM callgate.webhook_changes c
        WHERE c.phone_number_id = n.id AND c.cause = 'drift' AND c.applied_at IS NOT NULL
            AND c.at > greatest(now() - interval '1 hour', s.settled_at)) AS fights,
    (SELECT extract(epoch FROM min(c.at) + interval '1 hour' - now())::float8
        FROM callgate.webhook_changes c
        WHERE c.phone_number_id = n.id AND c.cause = 'drift' AND c.applied_at IS NOT NULL
            AND c.at > greatest(now() - interval '1 hour', s.settled_at)) AS fight_left
"""

# What was there before is kept once and for ever: a second look would find our own block.
KEEP_ORIGINAL = """
UPDATE callgate.webhook_states SET original = $3
WHERE phone_number_id = $1 AND claim = $2 AND original IS NULL
"""

KEEP_ASSISTANTS = """
UPDATE callgate.webhook_states SET assistant_ids = $3 WHERE phone_number_id = $1 AND claim = $2
"""

# What made the number due while it was worked on ($12: when that began) makes it due again.
# An order is carried out once the number is in sync. A change that was on its way when a replica died
# is known to have arrived then, unless it was made again: those that Vapi did not take would look
# like repairs that somebody undid.
RECORD = """
WITH done AS (
    UPDATE callgate.webhook_states SET
        state = $3, level = $4, drift = $5, last_error = $6, problem = $7, failures = $8,
        next_attempt_at = CASE WHEN wakes <> $12 THEN now()
            ELSE now() + make_interval(secs => $9) END,
        last_checked_at = CASE WHEN $10 THEN now() ELSE last_checked_at END,
        last_applied = coalesce($11, last_applied),
        ordered_by = CASE WHEN $3 = 'in_sync' THEN NULL ELSE ordered_by END,
        ordered_from = CASE WHEN $3 = 'in_sync' THEN NULL ELSE ordered_from END,
        claimed_until = NULL
    WHERE phone_number_id = $1 AND claim = $2
    RETURNING phone_number_id)
UPDATE callgate.webhook_changes c SET applied_at = now() FROM done
WHERE $3 = 'in_sync' AND c.phone_number_id = done.phone_number_id AND c.applied_at IS NULL
    AND (c.level = 'assistant' OR $7 IS DISTINCT FROM 'number_refused')
    AND NOT EXISTS (SELECT FROM callgate.webhook_changes again
        WHERE again.phone_number_id = c.phone_number_id AND again.id > c.id
            AND again.vapi_id = c.vapi_id
            AND again.after ?| ARRAY(SELECT jsonb_object_keys(c.after)))
"""

WATCH = "UPDATE callgate.webhook_states SET watched = true WHERE phone_number_id = $1"

KEEP_GATES = """
UPDATE callgate.webhook_states SET ring_texts = $3, ring_on = $4, fallback_numbers = $5, unbound = $6
WHERE phone_number_id = $1 AND claim = $2
RETURNING true
"""

KEEP_ANSWER = """
UPDATE callgate.phone_numbers SET answer_with = $2, updated_at = now()
WHERE id = $1 AND answer_with IS NULL AND released_at IS NULL
"""

RECORD_IDENTITY = """
WITH org AS (
    UPDATE callgate.webhook_states SET vapi_org_id = $3
    WHERE phone_number_id = $1 AND vapi_org_id IS DISTINCT FROM $3)
UPDATE callgate.phone_numbers SET number = $2
WHERE id = $1 AND $2::text IS NOT NULL AND number IS DISTINCT FROM $2
"""

# A number that was added again meanwhile is no longer released, and stays.
DELETE = """
DELETE FROM callgate.phone_numbers n USING callgate.webhook_states s
WHERE n.id = $1 AND n.released_at IS NOT NULL AND s.phone_number_id = n.id AND s.claim = $2
"""

# What was added again while its former webhook went back has to be configured anew, at once.
START_AGAIN = """
UPDATE callgate.webhook_states SET claimed_until = NULL, next_attempt_at = now()
WHERE phone_number_id = $1 AND claim = $2
"""

UNCLAIM = """
UPDATE callgate.webhook_states SET claimed_until = NULL WHERE phone_number_id = $1 AND claim = $2
"""


def claim_of(row: Mapping[str, Any]) -> WebhookClaim:
    """A claim out of a row of `CLAIM`, or of the columns by the same names."""
    facts = {name: row[name] for name in WebhookClaim.__slots__ if name != "kept"}
    kept = KeptFields(
        tuple(row["ring_texts"]), row["ring_on"], tuple(row["fallback_numbers"]), row["unbound"]
    )
    lists = {name: tuple(row[name]) for name in ("assistant_ids", "owned_assistants")}
    return WebhookClaim(**{**facts, **lists, "kept": kept})


async def claim(pool: Pool, phone_number_id: UUID, *, due: bool = False) -> WebhookClaim | None:
    """Claim a number, or one only if it is due; None when another holds it or it is gone."""
    row = await pool.fetchrow(CLAIM, phone_number_id, LEASE_SECONDS, due)
    return None if row is None else claim_of(row)


async def unclaim(pool: Pool, held: WebhookClaim) -> None:
    """Give a claim back without an outcome."""
    await pool.execute(UNCLAIM, held.phone_number_id, held.claim)


async def keep_original(pool: Pool, held: WebhookClaim, original: Mapping[str, Any]) -> None:
    """Keep what was there before our first change."""
    await pool.execute(KEEP_ORIGINAL, held.phone_number_id, held.claim, dict(original))


async def watch(pool: Pool, held: WebhookClaim) -> None:
    """From now on changes of the organization's access make the number due."""
    await pool.execute(WATCH, held.phone_number_id)


async def keep_gates(pool: Pool, held: WebhookClaim, kept: KeptFields) -> bool:
    """Keep what is, or may be, ours on the number besides its webhook; False: the claim is lost."""
    return bool(
        await pool.fetchval(
            KEEP_GATES,
            held.phone_number_id,
            held.claim,
            list(kept.ring_texts),
            kept.ring_on,
            list(kept.fallback_numbers),
            None if kept.unbound is None else dict(kept.unbound),
        )
    )


async def keep_answer(pool: Pool, held: WebhookClaim, answer_with: Mapping[str, Any]) -> None:
    """Let what answered the number at Vapi be our answer, unless an admin chose another one."""
    await pool.execute(KEEP_ANSWER, held.phone_number_id, dict(answer_with))


async def keep_assistants(pool: Pool, held: WebhookClaim, assistant_ids: Sequence[str]) -> None:
    """Keep which assistants carry the number's webhook, before the first of them is changed."""
    await pool.execute(KEEP_ASSISTANTS, held.phone_number_id, held.claim, list(assistant_ids))


async def record(pool: Pool, held: WebhookClaim, finding: PassResult) -> None:
    """Write an outcome and give the claim back; without effect when the claim is no longer ours."""
    await pool.execute(
        RECORD,
        held.phone_number_id,
        held.claim,
        finding.state.value,
        finding.level,
        [asdict(entry) for entry in finding.drift],
        finding.error,
        finding.problem,
        finding.failures,
        finding.retry_in,
        finding.checked,
        None if finding.applied is None else dict(finding.applied),
        held.wakes,
    )


async def record_identity(
    pool: Pool, phone_number_id: UUID, number: str | None, vapi_org_id: str | None
) -> None:
    """Record what Vapi knows of a number: its digits and its Vapi organization."""
    await pool.execute(RECORD_IDENTITY, phone_number_id, number, vapi_org_id)


async def delete(pool: Pool, held: WebhookClaim) -> None:
    """Remove a released number whose former webhook is back; one added again starts anew."""
    await pool.execute(DELETE, held.phone_number_id, held.claim)
    await pool.execute(START_AGAIN, held.phone_number_id, held.claim)
