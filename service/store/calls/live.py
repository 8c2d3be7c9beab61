"""Granted calls under way, and the cut of those whose organization has lost its access."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.store.calls.hangups import FIRST_CLAIM_SECONDS, HANDOVER_SECONDS
from service.store.pool import Pool
from service.store.queue import HangupJob, enqueue_hangups

# Only for organizations that want their calls ended with their access.
ORGANIZATIONS = """
SELECT now() AS now, array(SELECT DISTINCT c.organization_id FROM callgate.calls c
    JOIN callgate.organizations o ON o.id = c.organization_id
    WHERE c.status <> 'ended' AND c.ended_at IS NULL AND NOT c.blocked AND c.cut_at IS NULL
        AND o.handling->>'when_access_ends' = 'hang_up') AS owners
"""

# Measured from the call's first message here: what a message says of its beginning proves nothing.
CUT_LONG = """
UPDATE callgate.calls c SET cut_at = now(), cut_reason = 'longest_call', hangup_state = 'pending',
    hangup_rounds = 0, hangup_claimed_until = now() + make_interval(secs => $3),
    hangup_due_at = now() + make_interval(secs => $3), updated_at = now()
FROM callgate.organizations o
WHERE o.id = c.organization_id AND c.status = 'in-progress' AND c.ended_at IS NULL
    AND NOT c.blocked AND c.cut_at IS NULL AND c.created_at < now() - make_interval(
        secs => coalesce((o.handling->>'max_duration_seconds')::float8, $1) + $2)
RETURNING c.vapi_call_id, c.organization_id, c.control_url, c.started_at AS began
"""

# If two replicas see the same end, the one that sets `cut_at` enqueues the hang-up, in one transaction.
CUT = """
UPDATE callgate.calls SET cut_at = now(), cut_reason = $2, hangup_state = 'pending',
    hangup_rounds = 0, hangup_claimed_until = now() + make_interval(secs => $3),
    hangup_due_at = now() + make_interval(secs => $3), updated_at = now()
WHERE organization_id = $1 AND status <> 'ended' AND ended_at IS NULL AND NOT blocked
    AND cut_at IS NULL AND created_at <= $4
RETURNING vapi_call_id, organization_id, control_url, started_at AS began
"""

# Vapi ends every call after 12 hours.
LIST_CUT = """
SELECT vapi_call_id FROM callgate.calls
WHERE cut_at > now() - interval '12 hours' AND NOT end_proved
"""


@dataclass(frozen=True, slots=True)
class CutCall:
    """A granted call to be hung up by the replica that cut it. `control_url` is a capability."""

    vapi_call_id: str
    organization_id: UUID
    control_url: str | None
    began: datetime | None


async def list_organizations(pool: Pool) -> tuple[datetime, list[UUID]]:
    """Now, and the organizations with calls under way that are to end with their access."""
    row = await pool.fetchrow(ORGANIZATIONS)
    assert row is not None
    return row["now"], row["owners"]


async def list_cut(pool: Pool) -> set[str]:
    """Calls that were cut and whose end is not proved, by their id at Vapi."""
    return {row["vapi_call_id"] for row in await pool.fetch(LIST_CUT)}


async def cut_calls(
    pool: Pool, organization_id: UUID, reason: str, as_of: datetime
) -> Sequence[CutCall]:
    """Enqueue the hang-up of an organization's calls that were recorded by then; the caller has the
    claim on the first round.

    Idempotent.
    """
    given = organization_id, reason, FIRST_CLAIM_SECONDS, as_of
    async with pool.acquire() as connection, connection.transaction():
        cut = read_cut(await connection.fetch(CUT, *given))
        await enqueue_hangups(connection, jobs_of(cut))
    return cut


async def cut_long_calls(pool: Pool, seconds: float, slack: float) -> Sequence[CutCall]:
    """Enqueue the hang-up of granted calls that last longer than allowed, like `cut_calls`.

    An organization's own `max_duration_seconds` replaces `seconds`; `slack` is added to both.
    """
    async with pool.acquire() as connection, connection.transaction():
        cut = read_cut(await connection.fetch(CUT_LONG, seconds, slack, FIRST_CLAIM_SECONDS))
        await enqueue_hangups(connection, jobs_of(cut))
    return cut


def read_cut(rows: Iterable[Mapping[str, Any]]) -> list[CutCall]:
    return sorted((CutCall(**dict(row)) for row in rows), key=lambda call: call.vapi_call_id)


def jobs_of(cut: Iterable[CutCall]) -> list[HangupJob]:
    return [HangupJob(call.vapi_call_id, HANDOVER_SECONDS) for call in cut]
