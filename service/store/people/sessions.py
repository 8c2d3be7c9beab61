"""`callgate.sessions`: signed-in admins. Only the hash of each token is stored."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from service.domain.people import IDLE, LONGEST, Client, Session
from service.store.pool import Connection, Pool

# $1, $2: how long a session may be idle, how long it lives in all.
COLUMNS = """
SELECT s.id, s.admin_id, a.name, a.role, s.created_at, s.last_seen_at,
    least(s.last_seen_at + $1, s.created_at + $2) AS expires_at,
    s.user_agent, s.address, s.notice, now() AS read_at,
    s.last_seen_at < now() - interval '1 minute' AS is_stale,
    EXISTS (
        SELECT FROM callgate.oidc_sessions o
        WHERE o.session_id = s.id AND o.confirmed_at < now() - interval '45 minutes'
    ) AS is_due
FROM callgate.sessions s JOIN callgate.admins a ON a.id = s.admin_id
WHERE a.disabled_at IS NULL AND s.last_seen_at > now() - $1::interval
    AND s.created_at > now() - $2::interval
"""

FIND_BY_HASH = COLUMNS + "AND s.token_hash = $3"

FIND = COLUMNS + "AND s.id = $3"

LIST = COLUMNS + "AND s.admin_id = $3 ORDER BY s.last_seen_at DESC, s.id LIMIT 200"

# Two admins at least: one alone has one address, and no proxy.
FIND_ONLY_ADDRESS = """
SELECT min(address) FROM callgate.sessions WHERE created_at > now() - interval '30 days'
HAVING count(DISTINCT admin_id) > 1 AND count(DISTINCT address) = 1
"""

INSERT = """
INSERT INTO callgate.sessions (token_hash, admin_id, user_agent, address)
VALUES ($1, $2, $3, $4) RETURNING id
"""

RECORD_SEEN = """
UPDATE callgate.sessions SET last_seen_at = now()
WHERE id = $1 AND last_seen_at < now() - interval '1 minute'
"""

END = "DELETE FROM callgate.sessions WHERE id = $1 RETURNING true"

END_ALL = """
WITH ended AS (
    DELETE FROM callgate.sessions WHERE admin_id = $1 AND id IS DISTINCT FROM $2 RETURNING 1
)
SELECT count(*) FROM ended
"""

DELETE_EXPIRED = """
DELETE FROM callgate.sessions
WHERE last_seen_at <= now() - $1::interval OR created_at <= now() - $2::interval
"""

UPDATE_NOTICE = "UPDATE callgate.sessions SET notice = $2 WHERE id = $1"

CLEAR_NOTICE = "UPDATE callgate.sessions SET notice = NULL WHERE id = $1"


def session_of(row: Any) -> Session:
    return Session(**{name: row[name] for name in Session.__slots__})


async def find_by_hash(pool: Pool, token_hash: bytes) -> tuple[Session, bool, bool] | None:
    """The live session with this token, whether `last_seen_at` is over a minute old, and whether the
    sign-in provider is to be asked about it."""
    row = await pool.fetchrow(FIND_BY_HASH, IDLE, LONGEST, token_hash)
    return None if row is None else (session_of(row), row["is_stale"], row["is_due"])


async def find(database: Pool | Connection, session_id: UUID) -> Session | None:
    row = await database.fetchrow(FIND, IDLE, LONGEST, session_id)
    return None if row is None else session_of(row)


async def list_of_admin(pool: Pool, admin_id: UUID) -> list[Session]:
    """The live sessions of one admin, the last used first."""
    return [session_of(row) for row in await pool.fetch(LIST, IDLE, LONGEST, admin_id)]


async def find_only_address(pool: Pool) -> str | None:
    """The address from which all admins signed in; None if there are several, or one admin."""
    found: str | None = await pool.fetchval(FIND_ONLY_ADDRESS)
    return found


async def insert(connection: Connection, token_hash: bytes, admin_id: UUID, client: Client) -> UUID:
    """Add a session, and delete expired ones."""
    await connection.execute(DELETE_EXPIRED, IDLE, LONGEST)
    made: UUID = await connection.fetchval(
        INSERT, token_hash, admin_id, client.user_agent[:300], client.address[:100]
    )
    return made


async def record_seen(pool: Pool, session_id: UUID) -> None:
    await pool.execute(RECORD_SEEN, session_id)


async def end(connection: Connection, session_id: UUID) -> bool:
    """Delete a session; False if it had already ended."""
    return bool(await connection.fetchval(END, session_id))


async def end_all(connection: Connection, admin_id: UUID, *, but: UUID | None = None) -> int:
    """Delete all sessions of an admin but one; returns how many."""
    ended: int = await connection.fetchval(END_ALL, admin_id, but)
    return ended


async def update_notice(pool: Pool, session_id: UUID, notice: Mapping[str, Any]) -> None:
    await pool.execute(UPDATE_NOTICE, session_id, notice)


async def clear_notice(pool: Pool, session_id: UUID) -> None:
    await pool.execute(CLEAR_NOTICE, session_id)
