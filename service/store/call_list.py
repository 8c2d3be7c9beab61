"""The read side of `callgate.calls`: for the API and the panel, never with a control URL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.calls import Call, Hangup, HangupState
from service.store.calls import load_decision
from service.store.pool import Pool

COLUMNS = """
SELECT id, vapi_call_id, organization_id, phone_number_id, type, status, blocked, reason, gate,
    decision, hangup_state, hangup_attempts, started_at, ended_at, ended_reason,
    duration_seconds, cost, lived_seconds, cut_at, cut_reason, missed, created_at
FROM callgate.calls
"""

FIND = COLUMNS + "WHERE id = $1"

FIND_BY_VAPI_ID = COLUMNS + "WHERE vapi_call_id = $1"

# One statement a filter, so that each is answered from its own index.
PAGE = """(created_at, id) < (coalesce($1::timestamptz, 'infinity'),
    coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))"""
ORDER = " ORDER BY created_at DESC, id DESC LIMIT $3"
LIST = COLUMNS + "WHERE " + PAGE + ORDER
LIST_BLOCKED = COLUMNS + "WHERE blocked AND " + PAGE + ORDER
LIST_PASSED = COLUMNS + "WHERE NOT blocked AND " + PAGE + ORDER
LIST_OF = COLUMNS + "WHERE organization_id = $4 AND " + PAGE + ORDER
LIST_OF_BLOCKED = COLUMNS + "WHERE organization_id = $4 AND blocked AND " + PAGE + ORDER
LIST_OF_PASSED = COLUMNS + "WHERE organization_id = $4 AND NOT blocked AND " + PAGE + ORDER

STATEMENTS = {
    (False, None): LIST,
    (False, True): LIST_BLOCKED,
    (False, False): LIST_PASSED,
    (True, None): LIST_OF,
    (True, True): LIST_OF_BLOCKED,
    (True, False): LIST_OF_PASSED,
}


BLOCKED_SECONDS = """
SELECT gate, percentile_cont(0.5) WITHIN GROUP (ORDER BY lived_seconds) AS median,
    max(lived_seconds) AS most
FROM callgate.calls
WHERE blocked AND lived_seconds IS NOT NULL AND created_at > now() - interval '1 hour'
GROUP BY gate ORDER BY gate
"""


def call_of(row: Any) -> Call:
    """A call out of a row of `COLUMNS`."""
    hangup = None
    if row["hangup_state"] is not None:
        hangup = Hangup(HangupState(row["hangup_state"]), row["hangup_attempts"])
    return Call(
        id=row["id"],
        vapi_call_id=row["vapi_call_id"],
        organization_id=row["organization_id"],
        phone_number_id=row["phone_number_id"],
        type=row["type"],
        status=row["status"],
        blocked=row["blocked"],
        reason=row["reason"],
        gate=row["gate"],
        decision=load_decision(row["decision"]),
        hangup=hangup,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        ended_reason=row["ended_reason"],
        duration_seconds=row["duration_seconds"],
        cost=row["cost"],
        lived_seconds=row["lived_seconds"],
        cut_at=row["cut_at"],
        cut_reason=row["cut_reason"],
        missed=row["missed"],
    )


async def find(pool: Pool, call_id: UUID) -> Call | None:
    row = await pool.fetchrow(FIND, call_id)
    return None if row is None else call_of(row)


async def list_page(
    pool: Pool,
    *,
    vapi_call_id: str | None,
    organization_id: UUID | None,
    blocked: bool | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[tuple[Call, datetime]]:
    """Calls, newest first, each with the instant that its page position is made of."""
    if vapi_call_id is not None:
        row = await pool.fetchrow(FIND_BY_VAPI_ID, vapi_call_id)
        if row is None or after is not None:
            return []
        found = call_of(row)
        if organization_id not in (None, found.organization_id):
            return []
        return [(found, row["created_at"])] if blocked in (None, found.blocked) else []
    statement = STATEMENTS[(organization_id is not None, blocked)]
    given: tuple[object, ...] = (*(after or (None, None)), limit)
    if organization_id is not None:
        given = (*given, organization_id)
    rows = await pool.fetch(statement, *given)
    return [(call_of(row), row["created_at"]) for row in rows]


async def blocked_seconds(pool: Pool) -> list[tuple[str, float, float]]:
    """How long blocked calls of the last hour lived: gate, median and most, in seconds."""
    rows = await pool.fetch(BLOCKED_SECONDS)
    return [(row["gate"], row["median"], row["most"]) for row in rows]
