"""The timeline of one organization: changes of it and its numbers, and days of stopped calls."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.audit import AuditEntry
from service.store.audit import COLUMNS
from service.store.pool import Pool

Place = tuple[datetime, int]
"""The instant and id of an entry; days have the id 0."""

LIST_NUMBERS = """
SELECT n.id::text AS id FROM callgate.phone_numbers n WHERE n.organization_id = $1::uuid
UNION
SELECT a.object_id FROM callgate.audit a
WHERE a.object_type = 'phone_number'
    AND coalesce(a.after, a.before) ->> 'organization_id' = $1::uuid::text
"""

# A number's changes belong to the organization that owned it at that time.
LIST_CHANGES = (
    "("
    + COLUMNS
    + """
WHERE a.object_id = $1::text AND a.object_type = 'organization' AND (a.at, a.id) < ($3, $4)
ORDER BY a.at DESC, a.id DESC LIMIT $5)
UNION ALL
("""
    + COLUMNS
    + """
WHERE a.object_id = ANY($2::text[]) AND a.object_type = 'phone_number' AND (a.at, a.id) < ($3, $4)
    AND (a.before ->> 'organization_id' = $1 OR a.after ->> 'organization_id' = $1
        OR NOT coalesce(a.after, a.before, '{}') ? 'organization_id')
ORDER BY a.at DESC, a.id DESC LIMIT $5)
ORDER BY at DESC, id DESC LIMIT $5
"""
)

# Walks the index day by day: each step finds the last stopped call before the previous day.
# A day with calls at $2 or later is on the page before.
LIST_DAYS = """
WITH RECURSIVE days AS (
    (SELECT c.created_at AS last_at, date_trunc('day', c.created_at) AS day, 1 AS number
    FROM callgate.calls c
    WHERE c.organization_id = $1 AND (c.blocked OR c.cut_at IS NOT NULL)
        AND c.created_at < $2::timestamptz
    ORDER BY c.created_at DESC LIMIT 1)
    UNION ALL
    SELECT found.last_at, date_trunc('day', found.last_at), days.number + 1
    FROM days CROSS JOIN LATERAL (
        SELECT c.created_at AS last_at FROM callgate.calls c
        WHERE c.organization_id = $1 AND (c.blocked OR c.cut_at IS NOT NULL)
            AND c.created_at < days.day
        ORDER BY c.created_at DESC LIMIT 1) found
    WHERE days.number < $3
)
SELECT days.last_at, days.day, counted.blocked, counted.cut, counted.reasons
FROM days CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.blocked) AS blocked,
        count(*) FILTER (WHERE c.cut_at IS NOT NULL) AS cut,
        array_agg(DISTINCT coalesce(c.cut_reason, c.reason)) AS reasons
    FROM callgate.calls c
    WHERE c.organization_id = $1 AND (c.blocked OR c.cut_at IS NOT NULL)
        AND c.created_at >= days.day AND c.created_at < days.day + interval '1 day'
) counted
WHERE NOT EXISTS (SELECT FROM callgate.calls c
    WHERE c.organization_id = $1 AND (c.blocked OR c.cut_at IS NOT NULL)
        AND c.created_at >= $2 AND c.created_at < days.day + interval '1 day')
ORDER BY days.last_at DESC
"""


@dataclass(frozen=True, slots=True)
class StoppedDay:
    """Calls of one day (UTC) that were blocked, or cut because access ended; `last_at` is the last."""

    last_at: datetime
    day: datetime
    blocked: int
    cut: int
    reasons: tuple[str, ...]


async def list_numbers(pool: Pool, organization_id: UUID) -> list[str]:
    """Ids of the organization's present and former numbers."""
    return [row["id"] for row in await pool.fetch(LIST_NUMBERS, organization_id)]


async def list_changes(
    pool: Pool, organization_id: UUID, after: Place, limit: int
) -> list[AuditEntry]:
    """Changes of the organization, its entitlements and its numbers, newest first."""
    numbers = await list_numbers(pool, organization_id)
    rows = await pool.fetch(LIST_CHANGES, str(organization_id), numbers, *after, limit)
    return [AuditEntry(**dict(row)) for row in rows]


async def list_days(
    pool: Pool, organization_id: UUID, before: datetime, limit: int
) -> list[StoppedDay]:
    """Days on which calls were stopped, newest first, each at its last call."""
    rows = await pool.fetch(LIST_DAYS, organization_id, before, limit + 1)
    return [
        StoppedDay(row["last_at"], row["day"], row["blocked"], row["cut"], tuple(row["reasons"]))
        for row in rows
    ]
