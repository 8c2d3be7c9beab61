"""The details of a call in its row: who called whom, by which assistant, and what is doubted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.domain.call_records.details import CallDetails
from service.domain.calls import CallKey
from service.store.pool import Connection, Pool

# As `merge_details` merges them. The row may change meanwhile, so PostgreSQL merges.
MERGE_DETAILS = """
UPDATE callgate.calls SET
    customer_number = least(customer_number, $3), line_number = least(line_number, $4),
    assistant_id = least(assistant_id, $5), connected = connected OR $6,
    doubts = array(SELECT DISTINCT unnest(doubts || $7::text[]) ORDER BY 1), updated_at = now()
WHERE vapi_call_id = $1 AND ($2::uuid IS NULL OR organization_id = $2)
"""

# Locked in the order of their ids, as all that changes several calls does. With the limit PostgreSQL
# keeps its plan, see `decisions.ASKED_CALLS`.
RECORD_CONNECTED = """
WITH open AS MATERIALIZED (
    SELECT c.vapi_call_id, g.assistant_id
    FROM (SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[])
        AS given (vapi_call_id, organization_id, assistant_id) LIMIT cardinality($1::text[])) AS g
    JOIN callgate.calls c ON c.vapi_call_id = g.vapi_call_id
        AND (g.organization_id IS NULL OR c.organization_id = g.organization_id)
    WHERE c.connected IS NOT TRUE
    ORDER BY c.vapi_call_id FOR NO KEY UPDATE OF c)
UPDATE callgate.calls c SET
    connected = true, assistant_id = least(c.assistant_id, open.assistant_id), updated_at = now()
FROM open WHERE c.vapi_call_id = open.vapi_call_id
"""


@dataclass(frozen=True, slots=True)
class ConnectedCall:
    """A call that a later message shows connected; `organization_id` None: whosever it is."""

    vapi_call_id: str
    organization_id: UUID | None = None
    assistant_id: str | None = None


Columns = tuple[str | None, str | None, str | None, bool | None, Sequence[str]]


def columns_of(details: CallDetails) -> Columns:
    """The values of the columns, in the order of the statements that set them."""
    return (
        details.customer_number,
        details.line_number,
        details.assistant_id,
        details.connected,
        list(details.doubts),
    )


def details_of_row(row: Mapping[str, Any]) -> CallDetails:
    """The details of a row that has these columns."""
    return CallDetails(
        row["customer_number"],
        row["line_number"],
        row["assistant_id"],
        row["connected"],
        tuple(row["doubts"]),
    )


async def merge_stored_details(connection: Connection, key: CallKey, details: CallDetails) -> None:
    """Give a recorded call the details of a later record, if it is the same organization's."""
    await connection.execute(MERGE_DETAILS, *key, *columns_of(details))


async def record_connected(pool: Pool, connected: Sequence[ConnectedCall]) -> None:
    """Note in the rows of calls, each given once, that both sides were connected."""
    await pool.execute(
        RECORD_CONNECTED,
        [one.vapi_call_id for one in connected],
        [one.organization_id for one in connected],
        [one.assistant_id for one in connected],
    )
