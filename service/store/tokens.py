"""API tokens: only their hashes are kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from service.store.pool import Connection, Pool

Role = Literal["viewer", "support", "admin"]

COLUMNS = """
SELECT id, name, role, created_by, created_at, expires_at, revoked_at FROM callgate.api_tokens
"""

FIND_LIVE = (
    COLUMNS
    + """
WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
)

FIND = COLUMNS + "WHERE id = $1"

LIST = COLUMNS + "WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2"

INSERT = """
INSERT INTO callgate.api_tokens (name, token_hash, role, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5) RETURNING id
"""

REVOKE = """
UPDATE callgate.api_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its secret."""

    id: UUID
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def find_live(pool: Pool, token_hash: bytes) -> ApiToken | None:
    """The token with this hash, unless it is revoked or has expired."""
    row = await pool.fetchrow(FIND_LIVE, token_hash)
    return None if row is None else ApiToken(**dict(row))


async def find(database: Pool | Connection, token_id: UUID) -> ApiToken | None:
    row = await database.fetchrow(FIND, token_id)
    return None if row is None else ApiToken(**dict(row))


async def list_page(pool: Pool, *, after: UUID | None, limit: int) -> list[ApiToken]:
    return [ApiToken(**dict(row)) for row in await pool.fetch(LIST, after, limit)]


async def insert(
    connection: Connection,
    *,
    name: str,
    token_hash: bytes,
    role: Role,
    created_by: str,
    expires_at: datetime | None,
) -> UUID:
    found: UUID = await connection.fetchval(INSERT, name, token_hash, role, created_by, expires_at)
    return found


async def revoke(connection: Connection, token_id: UUID) -> bool:
    """End a token; False when it had ended before."""
    return bool(await connection.fetchval(REVOKE, token_id))
