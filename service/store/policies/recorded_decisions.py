"""Reads what was decided on calls, page by page, newest first, with the facts of each call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from service.domain.decisions import Decision
from service.store.calls.decisions import load_decision
from service.store.pool import Connection

COLUMNS = """
SELECT id, vapi_call_id, organization_id, phone_number_id, type, gate, missed, decision,
    customer_number, assistant_id, created_at
FROM callgate.calls
"""
PLACE = """(created_at, id) < ($1::timestamptz, $2::uuid) AND created_at >= $3
ORDER BY created_at DESC, id DESC LIMIT $4
"""
ALL = COLUMNS + "WHERE " + PLACE
OF_ORGANIZATION = COLUMNS + "WHERE organization_id = $5 AND " + PLACE


class DecidedSpan(NamedTuple):
    """The calls to read: recorded from `since` to before `until`, of one organization if it is named."""

    since: datetime
    until: datetime
    organization_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """The decision on a call with what is stored of the call's own facts."""

    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    gate: str
    missed: bool
    decision: Decision
    customer_number: str | None
    assistant_id: str | None
    created_at: datetime


async def read_decisions(
    connection: Connection, span: DecidedSpan, after: RecordedDecision | None, limit: int
) -> list[RecordedDecision]:
    """The next page behind `after`; the first one without it."""
    place = (span.until, UUID(int=0)) if after is None else (after.created_at, after.id)
    if span.organization_id is None:
        rows = await connection.fetch(ALL, *place, span.since, limit)
    else:
        rows = await connection.fetch(
            OF_ORGANIZATION, *place, span.since, limit, span.organization_id
        )
    return [decision_of_row(row) for row in rows]


def decision_of_row(row: Any) -> RecordedDecision:
    """From a row of `COLUMNS`."""
    return RecordedDecision(**{**dict(row), "decision": load_decision(row["decision"])})
