"""Transfers to registered numbers: such a call would ask Callgate again, and ring in a circle."""

from service.store.pool import Connection, Pool

FIND_REGISTERED = """
SELECT o.name FROM callgate.phone_numbers n
JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.number = $1 AND n.released_at IS NULL LIMIT 1
"""

LIST_CIRCLES = """
SELECT DISTINCT o.name, o.handling ->> 'transfer_when_down' AS number
FROM callgate.organizations o
JOIN callgate.phone_numbers n ON n.number = o.handling ->> 'transfer_when_down'
WHERE n.released_at IS NULL ORDER BY 1, 2 LIMIT $1
"""


async def find_owner(connection: Connection, number: str) -> str | None:
    """The name of the organization that has this E.164 number registered."""
    found: str | None = await connection.fetchval(FIND_REGISTERED, number)
    return found


async def list_circles(pool: Pool, limit: int) -> list[str]:
    """Organizations that transfer to a registered number, with the number, by name."""
    rows = await pool.fetch(LIST_CIRCLES, limit)
    return [f"{row['name']} to {row['number']}" for row in rows]
