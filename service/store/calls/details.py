"""The details of a call in its row: who called whom, by which assistant, and what is doubted."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.call_records.details import CallDetails
from service.domain.calls import CallKey
from service.store.pool import Connection

# As `merge_details` merges them. The row may change meanwhile, so PostgreSQL merges.
MERGE_DETAILS = """
UPDATE callgate.calls SET
    customer_number = least(customer_number, $3), line_number = least(line_number, $4),
    assistant_id = least(assistant_id, $5), connected = connected OR $6,
    doubts = array(SELECT DISTINCT unnest(doubts || $7::text[]) ORDER BY 1), updated_at = now()
WHERE vapi_call_id = $1 AND ($2::uuid IS NULL OR organization_id = $2)
"""

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
