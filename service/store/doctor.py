"""What the doctor reads: figures and the numbers that are not well. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.store.pool import Pool

VERSION = "SELECT current_setting('server_version'), clock_timestamp()"

BUDGET = """
SELECT extract(epoch FROM next_request_at - clock_timestamp())::float8
FROM callgate.vapi_budget WHERE next_request_at > clock_timestamp()
"""

UNWELL = """
SELECT coalesce(n.label, n.number, n.vapi_phone_number_id) AS name, n.id::text, o.name AS owner,
    s.state, s.problem, s.last_error, s.paused_by, s.paused_reason, s.paused_until
FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
LEFT JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL AND s.state = $1
    AND (s.state <> 'pending' OR n.updated_at < now() - interval '10 minutes')
ORDER BY n.created_at LIMIT $2
"""

RELEASING = """
SELECT count(*) FROM callgate.phone_numbers WHERE released_at < now() - interval '10 minutes'
"""

# Numbers that should have been heard of: others were, and these never in a week.
SILENT = """
SELECT count(*) FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
WHERE n.released_at IS NULL AND s.state = 'in_sync' AND n.created_at < now() - interval '7 days'
    AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.phone_number_id = n.id)
    AND EXISTS (SELECT FROM callgate.calls WHERE created_at > now() - interval '7 days')
"""

HANGUPS = """
SELECT hangup_state AS state, count(*) AS calls FROM callgate.calls
WHERE hangup_state IN ('failed', 'unconfirmed') AND created_at > now() - interval '24 hours'
GROUP BY hangup_state
"""


@dataclass(frozen=True, slots=True)
class Unwell:
    """A number that is not as it should be."""

    name: str
    id: str
    owner: str | None
    state: str
    problem: str | None
    last_error: str | None
    paused_by: str | None
    paused_reason: str | None
    paused_until: datetime | None


async def version_and_clock(pool: Pool) -> tuple[str, datetime]:
    """PostgreSQL's version and its clock."""
    row: Mapping[int, Any] | None = await pool.fetchrow(VERSION)
    assert row is not None, "SELECT without FROM gives a row"
    return row[0], row[1]


async def budget_seconds(pool: Pool) -> float:
    """How long a request to Vapi would wait now."""
    return float(await pool.fetchval(BUDGET) or 0.0)


async def find_unwell(pool: Pool, state: str, limit: int) -> list[Unwell]:
    """Registered numbers in a state, oldest first; of those that wait only the ones that wait long."""
    return [Unwell(**dict(row)) for row in await pool.fetch(UNWELL, state, limit)]


async def count_releasing(pool: Pool) -> int:
    """Numbers that were given up and whose former webhook is still not back."""
    return int(await pool.fetchval(RELEASING))


async def count_silent(pool: Pool) -> int:
    """Numbers in sync for a week that no call was ever seen of, while others had calls."""
    return int(await pool.fetchval(SILENT))


async def count_hangups(pool: Pool) -> dict[str, int]:
    """Hang-ups of the last day that were not proved, by their state."""
    return {row["state"]: row["calls"] for row in await pool.fetch(HANGUPS)}
