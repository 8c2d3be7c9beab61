"""Leases with fencing tokens on numbers' webhooks, and recording the result of a pass.

A claim is a number that only grows, with a time at which it expires. A result is only written under
the newest claim, so a replica that was considered dead cannot overwrite its successor's result.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from service.domain.reconcile import KeptFields, PassResult, WebhookClaim
from service.store.leases import LEASE_SECONDS
from service.store.pool import Pool
from service.store.reconcile.changes import FIGHTS, UNDONE
from service.store.reconcile.state import IS_PAUSED

# $3: only if it is due, so that the loop skips what another replica has just done.
# A pause is the number's own or that of everything; the later end counts.
CLAIM = f"""
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
    {IS_PAUSED} AS paused,
    CASE WHEN (s.paused_at IS NOT NULL AND s.paused_until IS NULL)
            OR (r.paused_at IS NOT NULL AND r.paused_until IS NULL) THEN NULL
        ELSE extract(epoch FROM greatest(s.paused_until, r.paused_until) - now())::float8
        END AS pause_left,
    ARRAY(SELECT a.vapi_assistant_id FROM callgate.assistants a
        WHERE a.organization_id = n.organization_id) AS owned_assistants,
    {FIGHTS} AS fights,
    (SELECT extract(epoch FROM min(c.at) + interval '1 hour' - now())::float8 {UNDONE}) AS fight_left
"""  # noqa: S608 - constants

# A claim that was released stays so: a renewal may be late.
RENEW = """
UPDATE callgate.webhook_states SET claimed_until = now() + make_interval(secs => $3)
WHERE phone_number_id = $1 AND claim = $2 AND claimed_until IS NOT NULL RETURNING true
"""

# The former webhook is stored once: a second read would find our own.
KEEP_ORIGINAL = """
UPDATE callgate.webhook_states SET original = $3
WHERE phone_number_id = $1 AND claim = $2 AND original IS NULL
"""

KEEP_ASSISTANTS = """
UPDATE callgate.webhook_states SET assistant_ids = $3 WHERE phone_number_id = $1 AND claim = $2
"""

# A wake-up during the pass ($12: the count at its beginning) makes the number due again. So does the end
# of the pause that the pass began in: a paused number without a pause would be repaired no more.
# An order is done once the number is in sync, unless it came during the pass. A change that was under
# way when a replica died is then known to have arrived, unless it was made again: changes that Vapi did
# not take would otherwise look like repairs that were undone.
RECORD = f"""
WITH done AS (
    UPDATE callgate.webhook_states s SET
        state = $3, level = $4, drift = $5, last_error = $6, problem = $7, failures = $8,
        next_attempt_at = CASE WHEN s.wakes <> $12 OR ($3 = 'paused' AND NOT {IS_PAUSED}) THEN now()
            ELSE now() + make_interval(secs => $9) END,
        last_checked_at = CASE WHEN $10 THEN now() ELSE s.last_checked_at END,
        last_applied = coalesce($11, s.last_applied),
        ordered_by = CASE WHEN $3 = 'in_sync' AND s.wakes = $12 THEN NULL ELSE s.ordered_by END,
        ordered_from = CASE WHEN $3 = 'in_sync' AND s.wakes = $12 THEN NULL ELSE s.ordered_from END,
        claimed_until = NULL
    FROM callgate.reconciliation r
    WHERE s.phone_number_id = $1 AND s.claim = $2
    RETURNING s.phone_number_id)
UPDATE callgate.webhook_changes c SET applied_at = now() FROM done
WHERE $3 = 'in_sync' AND c.phone_number_id = done.phone_number_id AND c.applied_at IS NULL
    AND (c.level = 'assistant' OR $7 IS DISTINCT FROM 'number_refused')
    AND NOT EXISTS (SELECT FROM callgate.webhook_changes again
        WHERE again.phone_number_id = c.phone_number_id AND again.id > c.id
            AND again.vapi_id = c.vapi_id
            AND again.after ?| ARRAY(SELECT jsonb_object_keys(c.after)))
"""  # noqa: S608 - constants

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

# A number that was added again during its release is due for configuration at once.
START_AGAIN = """
UPDATE callgate.webhook_states SET claimed_until = NULL, next_attempt_at = now()
WHERE phone_number_id = $1 AND claim = $2
"""

UNCLAIM = """
UPDATE callgate.webhook_states SET claimed_until = NULL WHERE phone_number_id = $1 AND claim = $2
"""


OWN_FACTS = ("kept", "claimed_at")


def claim_of(row: Mapping[str, Any]) -> WebhookClaim:
    """A claim out of a row of `CLAIM`, or of the columns by the same names."""
    facts = {name: row[name] for name in WebhookClaim.__slots__ if name not in OWN_FACTS}
    kept = KeptFields(
        tuple(row["ring_texts"]), row["ring_on"], tuple(row["fallback_numbers"]), row["unbound"]
    )
    lists = {name: tuple(row[name]) for name in ("assistant_ids", "owned_assistants")}
    return WebhookClaim(**{**facts, **lists, "kept": kept})


async def claim(pool: Pool, phone_number_id: UUID, *, due: bool = False) -> WebhookClaim | None:
    """Claim a number, or only if it is `due`; None when another replica holds it or it is deleted."""
    began = asyncio.get_running_loop().time()
    row = await pool.fetchrow(CLAIM, phone_number_id, LEASE_SECONDS, due)
    return None if row is None else replace(claim_of(row), claimed_at=began)


async def renew(pool: Pool, held: WebhookClaim) -> bool:
    """Renew the lease; False once another replica has taken it over."""
    return bool(await pool.fetchval(RENEW, held.phone_number_id, held.claim, LEASE_SECONDS))


async def unclaim(pool: Pool, held: WebhookClaim) -> None:
    """Release a claim without a result."""
    await pool.execute(UNCLAIM, held.phone_number_id, held.claim)


async def keep_original(pool: Pool, held: WebhookClaim, original: Mapping[str, Any]) -> None:
    """Store the former webhook, before our first change."""
    await pool.execute(KEEP_ORIGINAL, held.phone_number_id, held.claim, dict(original))


async def watch(pool: Pool, held: WebhookClaim) -> None:
    """Make the number due whenever the organization's access changes."""
    await pool.execute(WATCH, held.phone_number_id)


async def keep_gates(pool: Pool, held: WebhookClaim, kept: KeptFields) -> bool:
    """Store what is, or may be, ours on the number besides its webhook; False: the claim is lost."""
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
    """Make the number's binding at Vapi our answer, unless an admin chose another one."""
    await pool.execute(KEEP_ANSWER, held.phone_number_id, dict(answer_with))


async def keep_assistants(pool: Pool, held: WebhookClaim, assistant_ids: Sequence[str]) -> None:
    """Store which assistants carry the number's webhook, before the first of them is changed."""
    await pool.execute(KEEP_ASSISTANTS, held.phone_number_id, held.claim, list(assistant_ids))


async def record(pool: Pool, held: WebhookClaim, result: PassResult) -> None:
    """Write a result and release the claim; no effect when the claim is lost."""
    await pool.execute(
        RECORD,
        held.phone_number_id,
        held.claim,
        result.state.value,
        result.level,
        [asdict(entry) for entry in result.drift],
        result.error,
        result.problem,
        result.failures,
        result.retry_in,
        result.checked,
        None if result.applied is None else dict(result.applied),
        held.wakes,
    )


async def record_identity(
    pool: Pool, phone_number_id: UUID, number: str | None, vapi_org_id: str | None
) -> None:
    """Record what Vapi knows of a number: its digits and its Vapi organization."""
    await pool.execute(RECORD_IDENTITY, phone_number_id, number, vapi_org_id)


async def delete(pool: Pool, held: WebhookClaim) -> None:
    """Delete a released number whose former webhook is restored; one added again starts anew."""
    await pool.execute(DELETE, held.phone_number_id, held.claim)
    await pool.execute(START_AGAIN, held.phone_number_id, held.claim)
