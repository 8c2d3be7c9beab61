"""`callgate.oidc_sessions`: sessions that the sign-in provider is asked about, with what asks it."""

from dataclasses import dataclass
from uuid import UUID

from service.store.pool import Connection, Pool

INSERT = """
INSERT INTO callgate.oidc_sessions (session_id, refresh_token)
SELECT id, $2 FROM callgate.sessions WHERE token_hash = $1
"""

# One request asks, at most once a minute: a refresh token is often valid only once.
CLAIM = """
UPDATE callgate.oidc_sessions SET asked_at = now()
WHERE session_id = $1 AND confirmed_at < now() - interval '45 minutes'
    AND asked_at < now() - interval '1 minute'
RETURNING refresh_token, confirmed_at < now() - interval '12 hours' AS is_overdue
"""

CONFIRM = """
UPDATE callgate.oidc_sessions SET confirmed_at = now(), refresh_token = $2 WHERE session_id = $1
"""


@dataclass(frozen=True, slots=True)
class OidcClaim:
    """The right to ask the provider now. `is_overdue`: its last answer is 12 hours old."""

    refresh_token: bytes
    is_overdue: bool


async def insert(connection: Connection, token_hash: bytes, refresh_token: bytes) -> None:
    """Let the provider be asked about the session with this token's hash."""
    await connection.execute(INSERT, token_hash, refresh_token)


async def claim(pool: Pool, session_id: UUID) -> OidcClaim | None:
    """Claim the question about a session; None if it is not due or another request asks it."""
    row = await pool.fetchrow(CLAIM, session_id)
    return None if row is None else OidcClaim(**dict(row))


async def confirm(connection: Connection, session_id: UUID, refresh_token: bytes) -> None:
    """The provider still knows the person; `refresh_token` is for the next time."""
    await connection.execute(CONFIRM, session_id, refresh_token)
