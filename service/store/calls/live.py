"""Granted calls under way, and the cut of those whose organization has lost its access."""

from collections.abc import Sequence
from uuid import UUID

from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups

# Only for organizations that want their calls ended with their access.
ORGANIZATIONS = """
SELECT DISTINCT c.organization_id FROM callgate.calls c
JOIN callgate.organizations o ON o.id = c.organization_id
WHERE c.status <> 'ended' AND c.ended_at IS NULL AND NOT c.blocked AND c.cut_at IS NULL
    AND o.handling->>'when_access_ends' = 'hang_up'
"""

# Measured from the call's first message here: what a message says of its beginning proves nothing.
CUT_LONG = """
UPDATE callgate.calls c SET cut_at = now(), cut_reason = 'longest_call', hangup_state = 'pending',
    updated_at = now()
FROM callgate.organizations o
WHERE o.id = c.organization_id AND c.status = 'in-progress' AND c.ended_at IS NULL
    AND NOT c.blocked AND c.cut_at IS NULL AND c.created_at < now() - make_interval(
        secs => coalesce((o.handling->>'max_duration_seconds')::float8, $1) + $2)
RETURNING c.vapi_call_id, c.organization_id
"""

# If two replicas see the same end, the one that sets `cut_at` enqueues the hang-up, in one transaction.
CUT = """
UPDATE callgate.calls SET cut_at = now(), cut_reason = $2, hangup_state = 'pending',
    updated_at = now()
WHERE organization_id = $1 AND status <> 'ended' AND ended_at IS NULL AND NOT blocked
    AND cut_at IS NULL
RETURNING vapi_call_id
"""


async def list_organizations(pool: Pool) -> list[UUID]:
    """Organizations with calls under way that are to end with their access."""
    return [row["organization_id"] for row in await pool.fetch(ORGANIZATIONS)]


async def cut_calls(pool: Pool, organization_id: UUID, reason: str) -> Sequence[str]:
    """Enqueue the hang-up of an organization's calls; returns their ids at Vapi. Idempotent."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(CUT, organization_id, reason)
        ids = sorted(row["vapi_call_id"] for row in rows)
        if ids:
            await enqueue_hangups(connection, [HangupJob(one, 0.0) for one in ids])
    return ids


async def cut_long_calls(pool: Pool, seconds: float, slack: float) -> list[tuple[str, UUID]]:
    """Enqueue the hang-up of granted calls that last longer than allowed; returns calls and owners.

    An organization's own `max_duration_seconds` replaces `seconds`; `slack` is added to both.
    """
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(CUT_LONG, seconds, slack)
        found = sorted((row["vapi_call_id"], row["organization_id"]) for row in rows)
        if found:
            await enqueue_hangups(connection, [HangupJob(one) for one, _ in found])
    return found
