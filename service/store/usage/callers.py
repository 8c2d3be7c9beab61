"""Reads inbound calls with their callers, for the memory of earlier calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.store.pool import Pool

# The newest first: what is beyond the bound is the oldest. An empty number was forgotten.
LIST = """
SELECT vapi_call_id, organization_id, customer_number AS caller_number, type, created_at AS at,
    NOT blocked AS granted
FROM callgate.calls
WHERE created_at > $1 AND type = 'inboundPhoneCall' AND organization_id IS NOT NULL
    AND customer_number <> ''
    AND ($3::text IS NULL OR age(xmin) <= age($3::text::xid8::xid))
ORDER BY created_at DESC LIMIT $2
"""
AT_ONCE = 500

MARK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


@dataclass(frozen=True, slots=True)
class CallerCall:
    """A call as far as it counts for its caller."""

    vapi_call_id: str
    organization_id: UUID | None
    caller_number: str | None
    type: str | None
    at: datetime
    granted: bool = True


async def read_mark(pool: Pool) -> str:
    """The oldest transaction that is under way: what a reading from now on finds, and a later one
    asks for what it did not see."""
    return str(await pool.fetchval(MARK))


async def list_calls(
    pool: Pool, since: datetime, most: int, mark: str | None = None
) -> AsyncIterator[list[CallerCall]]:
    """The inbound calls that were recorded since, at most the newest `most`, the oldest first, some at a
    time. With a mark only those whose row was written since, however late it was committed."""
    rows = await pool.fetch(LIST, since, most, mark)
    rows.reverse()
    for start in range(0, len(rows), AT_ONCE):
        yield [CallerCall(**dict(row)) for row in rows[start : start + AT_ONCE]]
