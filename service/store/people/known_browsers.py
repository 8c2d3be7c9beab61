"""`callgate.known_browsers`: browsers in which an admin signed in. Only hashes of cookies are stored."""

from uuid import UUID

from service.store.pool import Pool

IS_KNOWN = """
SELECT EXISTS (
    SELECT FROM callgate.known_browsers b JOIN callgate.admins a ON a.id = b.admin_id
    WHERE b.token_hash = $1 AND b.last_seen_at > now() - interval '180 days'
        AND a.disabled_at IS NULL AND ($2::text IS NULL OR a.name_key = $2)
)
"""

RECORD_SEEN = """
UPDATE callgate.known_browsers SET last_seen_at = now()
WHERE token_hash = $1 AND admin_id = $2 AND last_seen_at > now() - interval '180 days'
RETURNING true
"""

INSERT = "INSERT INTO callgate.known_browsers (token_hash, admin_id) VALUES ($1, $2)"

# The newest 20 of an admin stay.
DELETE_OLD = """
DELETE FROM callgate.known_browsers WHERE token_hash IN (
    SELECT token_hash FROM callgate.known_browsers WHERE admin_id = $1
    ORDER BY last_seen_at DESC OFFSET 20
)
"""

DELETE_ALL = "DELETE FROM callgate.known_browsers WHERE admin_id = $1"


async def is_known(pool: Pool, token_hash: bytes, name_key: str | None) -> bool:
    """Whether this admin signed in with this browser; without `name_key`, any admin."""
    return bool(await pool.fetchval(IS_KNOWN, token_hash, name_key))


async def record_seen(pool: Pool, token_hash: bytes, admin_id: UUID) -> bool:
    """Record another sign-in; False for a browser that this admin has not used."""
    return bool(await pool.fetchval(RECORD_SEEN, token_hash, admin_id))


async def insert(pool: Pool, token_hash: bytes, admin_id: UUID) -> None:
    """Add a browser, and delete the admin's oldest ones."""
    await pool.execute(INSERT, token_hash, admin_id)
    await pool.execute(DELETE_OLD, admin_id)


async def delete_all(pool: Pool, admin_id: UUID) -> None:
    await pool.execute(DELETE_ALL, admin_id)
