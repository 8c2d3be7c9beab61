"""Unknown numbers: they call us and are not registered. Triggers of the schema record them.

The row of a call without an organization records its number in the same transaction; registering a
number removes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.store.pool import Connection, Pool

COLUMNS = """
SELECT u.vapi_phone_number_id, u.number, u.first_seen_at, u.last_seen_at, u.calls,
    u.last_vapi_call_id, u.ignored_at, u.ignored_by
FROM callgate.unknown_numbers u
"""

# A call under way while its number was registered may have recorded it a moment later.
UNREGISTERED = """
NOT EXISTS (SELECT FROM callgate.phone_numbers n
    WHERE n.vapi_phone_number_id = u.vapi_phone_number_id AND n.released_at IS NULL)
"""

FIND = COLUMNS + "WHERE u.vapi_phone_number_id = $1 AND " + UNREGISTERED

LIST = (
    COLUMNS
    + """
WHERE (u.ignored_at IS NOT NULL) = $1
    AND (u.last_seen_at, u.vapi_phone_number_id) < (coalesce($2::timestamptz, 'infinity'),
        coalesce($3::text, ''))
    AND """
    + UNREGISTERED
    + "ORDER BY u.last_seen_at DESC, u.vapi_phone_number_id DESC LIMIT $4"
)

COUNT = (
    "SELECT count(*) FROM (SELECT FROM callgate.unknown_numbers u "  # noqa: S608 - constants
    "WHERE (u.ignored_at IS NOT NULL) = $1 AND " + UNREGISTERED + "LIMIT $2) AS found"
)

MOST_COUNTED = 10_000
"""How far matching numbers are counted: any number that calls us may add a row."""

LOCK = "SELECT 1 FROM callgate.unknown_numbers WHERE vapi_phone_number_id = $1 FOR UPDATE"

IGNORE = """
UPDATE callgate.unknown_numbers SET ignored_at = now(), ignored_by = $2
WHERE vapi_phone_number_id = $1
"""

UNIGNORE = """
UPDATE callgate.unknown_numbers SET ignored_at = NULL, ignored_by = NULL
WHERE vapi_phone_number_id = $1
"""


@dataclass(frozen=True, slots=True)
class UnknownNumber:
    """An unknown number. `calls` counts its calls since `first_seen_at`."""

    vapi_phone_number_id: str
    number: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    calls: int
    last_vapi_call_id: str | None
    ignored_at: datetime | None
    ignored_by: str | None


def unknown_number_of(row: Mapping[str, Any]) -> UnknownNumber:
    """An unknown number from a row of `COLUMNS`."""
    return UnknownNumber(**dict(row))


async def find(database: Pool | Connection, vapi_phone_number_id: str) -> UnknownNumber | None:
    """One unknown number, ignored or not."""
    row = await database.fetchrow(FIND, vapi_phone_number_id)
    return None if row is None else unknown_number_of(row)


async def list_page(
    pool: Pool, *, ignored: bool, after: tuple[datetime, str] | None, limit: int
) -> list[UnknownNumber]:
    """The ignored unknown numbers, or the others, the last caller first."""
    rows = await pool.fetch(LIST, ignored, *(after or (None, None)), limit)
    return [unknown_number_of(row) for row in rows]


async def count(pool: Pool, *, ignored: bool) -> int:
    """How many unknown numbers are ignored, or not; one more than `MOST_COUNTED` stands for more."""
    found: int = await pool.fetchval(COUNT, ignored, MOST_COUNTED + 1)
    return found


async def lock(connection: Connection, vapi_phone_number_id: str) -> None:
    """Serialize changes of one number."""
    await connection.execute(LOCK, vapi_phone_number_id)


async def ignore(connection: Connection, vapi_phone_number_id: str, by: str) -> None:
    """Ignore a number; its calls are still counted."""
    await connection.execute(IGNORE, vapi_phone_number_id, by)


async def unignore(connection: Connection, vapi_phone_number_id: str) -> None:
    """Stop ignoring a number."""
    await connection.execute(UNIGNORE, vapi_phone_number_id)
