"""Reads `callgate.relay_messages` for people: lists of an organization, and counts by state and call.

No statement reads a body: it holds what callers said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.relay.messages import (
    CallLine,
    CallRelay,
    RelayedMessage,
    RelayFigures,
    RelayMessageState,
)
from service.store.pool import Connection, Pool

MOST_COUNTED = 10_000
"""How far matching messages are counted."""

TABLE = """
FROM callgate.relay_messages m
WHERE m.organization_id = $1
    AND m.received_at >= coalesce($2::timestamptz, '-infinity')
    AND m.received_at < coalesce($3::timestamptz, 'infinity')
"""

# One condition each, so that PostgreSQL recognizes the partial index.
IN_STATE: Mapping[RelayMessageState | None, str] = {
    None: "",
    "waiting": "AND m.done_at IS NULL ",
    "failed": "AND m.done_at IS NULL AND m.attempts > 0 ",
    "delivered": "AND m.done_at IS NOT NULL AND m.outcome = 'delivered' ",
    "expired": "AND m.done_at IS NOT NULL AND m.outcome = 'expired' ",
    "dropped": "AND m.done_at IS NOT NULL AND m.outcome = 'dropped' ",
}
# Two partial indexes hold the messages of a call: what waits, and what is done.
OF_CALL = "AND m.vapi_call_id = $4 AND (m.done_at IS NULL OR m.done_at IS NOT NULL) "
OF_ALL = "AND $4::text IS NULL "

FOUND = """
SELECT m.id, m.webhook_id, m.vapi_call_id, m.type, m.size, m.received_at, m.attempts, m.due_at,
    m.outcome, m.done_at, m.last_error, m.claimed_by IS NOT NULL AS claimed
"""
NEXT = """AND (m.received_at, m.id) < (coalesce($5::timestamptz, 'infinity'),
    coalesce($6::bigint, 9223372036854775807))
ORDER BY m.received_at DESC, m.id DESC LIMIT $7"""

WITH_CALLS = """
SELECT f.*, c.id AS call_id FROM ({found}) f
LEFT JOIN callgate.calls c ON c.vapi_call_id = f.vapi_call_id AND f.vapi_call_id <> ''
ORDER BY f.received_at DESC, f.id DESC
"""

FIND = WITH_CALLS.format(
    found=FOUND + "FROM callgate.relay_messages m WHERE m.organization_id = $1 AND m.id = $2"
)

FIGURES = """
SELECT waits.waiting, waits.failed, lost.expired, lost.dropped
FROM (SELECT count(*) AS waiting, count(*) FILTER (WHERE attempts > 0) AS failed
    FROM callgate.relay_messages WHERE organization_id = $1 AND done_at IS NULL) waits,
    (SELECT count(*) FILTER (WHERE outcome = 'expired') AS expired,
        count(*) FILTER (WHERE outcome = 'dropped') AS dropped
    FROM callgate.relay_messages
    WHERE organization_id = $1 AND outcome IN ('expired', 'dropped')) lost
"""

COUNT_OF_CALLS = """
SELECT c.organization_id, c.vapi_call_id, count(*) FILTER (WHERE m.outcome = 'delivered') AS delivered,
    count(*) FILTER (WHERE m.outcome IS NULL) AS waiting,
    count(*) FILTER (WHERE m.outcome IS NULL AND m.attempts > 0) AS failed,
    count(*) FILTER (WHERE m.outcome IN ('expired', 'dropped')) AS lost
FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[])) AS c (organization_id, vapi_call_id)
CROSS JOIN LATERAL (
    SELECT outcome, attempts FROM callgate.relay_messages
    WHERE organization_id = c.organization_id AND vapi_call_id = c.vapi_call_id AND done_at IS NULL
    UNION ALL
    SELECT outcome, attempts FROM callgate.relay_messages
    WHERE organization_id = c.organization_id AND vapi_call_id = c.vapi_call_id
        AND done_at IS NOT NULL) m
GROUP BY 1, 2
"""

REPLAYABLE = """organization_id = $1 AND received_at >= $2
    AND ($3::timestamptz IS NULL OR received_at < $3) AND received_at > now() - interval '3 days'
    AND done_at IS NOT NULL AND outcome <> 'dropped'"""

COUNT_REPLAYABLE = f"""
SELECT count(*) FROM (
    SELECT FROM callgate.relay_messages WHERE {REPLAYABLE} LIMIT $4) found
"""  # noqa: S608

MEASURE_WAITING = """
SELECT count(*) AS messages, coalesce(sum(size), 0)::bigint AS bytes
FROM callgate.relay_messages WHERE organization_id = $1 AND done_at IS NULL
"""

MEASURE_REPLAY = f"""
SELECT count(*) AS messages, coalesce(sum(size), 0)::bigint AS bytes
FROM callgate.relay_messages WHERE organization_id = $1 AND done_at IS NULL OR {REPLAYABLE}
"""  # noqa: S608

COUNT_PARKED = """
SELECT count(*) AS organizations, coalesce(sum((
    SELECT count(*) FROM callgate.relay_messages m
    WHERE m.organization_id = o.id AND m.done_at IS NULL)), 0)::bigint AS messages
FROM callgate.relay_states s JOIN callgate.organizations o ON o.id = s.organization_id
WHERE s.parked_at IS NOT NULL AND o.forward_url IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class RelayMessageFilter:
    """Filters on an organization's messages; None matches all. `vapi_call_id` is exact."""

    organization_id: UUID
    state: RelayMessageState | None = None
    vapi_call_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def where(self) -> str:
        """The table with the conditions; its parameters are `parameters`."""
        of_call = OF_ALL if self.vapi_call_id is None else OF_CALL
        return TABLE + IN_STATE[self.state] + of_call

    @property
    def parameters(self) -> tuple[object, ...]:
        return self.organization_id, self.since, self.until, self.vapi_call_id


MessagePlace = tuple[datetime, int]
"""Where a page ends: when a message was received, and its id."""


async def list_page(
    pool: Pool, wanted: RelayMessageFilter, *, after: MessagePlace | None, limit: int
) -> list[RelayedMessage]:
    """Messages, newest first; `after` is the place of the last one of the previous page."""
    statement = WITH_CALLS.format(found=FOUND + wanted.where + NEXT)
    rows = await pool.fetch(statement, *wanted.parameters, *(after or (None, None)), limit)
    return [RelayedMessage(**row) for row in rows]


async def count(pool: Pool, wanted: RelayMessageFilter) -> int:
    """How many messages match; one more than `MOST_COUNTED` stands for more."""
    found = f"SELECT count(*) FROM (SELECT 1 {wanted.where} LIMIT $5) found"  # noqa: S608
    counted: int = await pool.fetchval(found, *wanted.parameters, MOST_COUNTED + 1)
    return counted


async def find(pool: Pool, organization_id: UUID, message_id: int) -> RelayedMessage | None:
    """One message of an organization."""
    row = await pool.fetchrow(FIND, organization_id, message_id)
    return None if row is None else RelayedMessage(**row)


async def get_figures(pool: Pool, organization_id: UUID) -> RelayFigures:
    """How many messages of an organization are in which state."""
    return RelayFigures(**only(await pool.fetch(FIGURES, organization_id)))


async def count_of_calls(pool: Pool, calls: Sequence[CallLine]) -> dict[CallLine, CallRelay]:
    """The messages of calls by their organizations and Vapi's ids, in one statement. A call of which
    none is kept is absent: nothing was relayed, or all is deleted by now."""
    owners, named = [owner for owner, _ in calls], [call for _, call in calls]
    rows = await pool.fetch(COUNT_OF_CALLS, owners, named) if calls else []
    return {
        (row["organization_id"], row["vapi_call_id"]): CallRelay(
            row["delivered"], row["waiting"], row["failed"], row["lost"]
        )
        for row in rows
    }


async def count_replayable(
    pool: Pool, organization_id: UUID, since: datetime, until: datetime | None
) -> int:
    """How many messages a replay of a period would deliver again; one more than `MOST_COUNTED` stands
    for more."""
    found: int = await pool.fetchval(
        COUNT_REPLAYABLE, organization_id, since, until, MOST_COUNTED + 1
    )
    return found


async def measure_waiting(connection: Connection, organization_id: UUID) -> tuple[int, int]:
    """How many messages wait for a server, and their bytes."""
    row = only(await connection.fetch(MEASURE_WAITING, organization_id))
    return row["messages"], row["bytes"]


async def measure_replay(
    connection: Connection, organization_id: UUID, since: datetime, until: datetime | None
) -> tuple[int, int]:
    """How many messages would wait after a replay of a period, and their bytes."""
    row = only(await connection.fetch(MEASURE_REPLAY, organization_id, since, until))
    return row["messages"], row["bytes"]


async def count_parked(pool: Pool) -> tuple[int, int]:
    """How many organizations' servers are parked, and how many messages wait for them."""
    row = only(await pool.fetch(COUNT_PARKED))
    return row["organizations"], row["messages"]


def only(rows: Sequence[Any]) -> Any:
    """The row of a statement that gives exactly one."""
    (row,) = rows
    return row
