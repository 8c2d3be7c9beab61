"""`callgate.support_overrides`: when overrides that support set were in force, for 30 days."""

from datetime import datetime, timedelta
from uuid import UUID

from service.store.pool import Connection

FIND_AUTHOR_ROLE = "SELECT author_role FROM callgate.overrides WHERE organization_id = $1"

SET_AUTHOR_ROLE = "UPDATE callgate.overrides SET author_role = $2 WHERE organization_id = $1"

# What has not begun never was in force.
DELETE_UNBEGUN = """
DELETE FROM callgate.support_overrides
WHERE organization_id = $1 AND (starts_at >= $2 OR ends_at < $2::timestamptz - interval '60 days')
"""

END = """
UPDATE callgate.support_overrides SET ends_at = $2 WHERE organization_id = $1 AND ends_at > $2
"""

SUM = """
SELECT coalesce(sum(ends_at - greatest(starts_at, $2)), interval '0')
FROM callgate.support_overrides WHERE organization_id = $1 AND ends_at > $2
"""

INSERT = """
INSERT INTO callgate.support_overrides (organization_id, starts_at, ends_at) VALUES ($1, $2, $3)
"""


async def find_author_role(connection: Connection, organization_id: UUID) -> str | None:
    """The role that the override's author had; None if there is none or it was not recorded."""
    found: str | None = await connection.fetchval(FIND_AUTHOR_ROLE, organization_id)
    return found


async def set_author_role(connection: Connection, organization_id: UUID, role: str) -> None:
    await connection.execute(SET_AUTHOR_ROLE, organization_id, role)


async def end(connection: Connection, organization_id: UUID, now: datetime) -> None:
    """The present override of support ends now, before its time."""
    await connection.execute(DELETE_UNBEGUN, organization_id, now)
    await connection.execute(END, organization_id, now)


async def get_sum(connection: Connection, organization_id: UUID, since: datetime) -> timedelta:
    """How long overrides of support were in force since an instant."""
    found: timedelta = await connection.fetchval(SUM, organization_id, since)
    return found


async def insert(
    connection: Connection, organization_id: UUID, starts_at: datetime, ends_at: datetime
) -> None:
    await connection.execute(INSERT, organization_id, starts_at, ends_at)
