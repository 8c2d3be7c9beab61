"""`callgate.api_tokens`: only hashes of tokens are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain import people
from service.domain.people import Scope
from service.store.pool import Connection, Pool

Role = people.Role

COLUMNS = """
SELECT id, name, role, scopes, created_by, created_at, expires_at, revoked_at, last_used_at,
    last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS is_stale
FROM callgate.api_tokens
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
INSERT INTO callgate.api_tokens (name, token_hash, role, scopes, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""

REVOKE = """
UPDATE callgate.api_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL
RETURNING true
"""


RECORD_USE = """
UPDATE callgate.api_tokens SET last_used_at = now()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its secret. Empty `scopes` means all areas of the API."""

    id: UUID
    name: str
    role: Role
    scopes: tuple[Scope, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


NAMES = tuple(field.name for field in fields(ApiToken))


def token_of(row: Any) -> ApiToken:
    return ApiToken(**{**{name: row[name] for name in NAMES}, "scopes": tuple(row["scopes"])})


async def find_live(pool: Pool, token_hash: bytes) -> tuple[ApiToken, bool] | None:
    """The valid token with this hash, and whether its last use is over a minute old."""
    row = await pool.fetchrow(FIND_LIVE, token_hash)
    return None if row is None else (token_of(row), row["is_stale"])


async def record_use(pool: Pool, token_id: UUID) -> None:
    """Record the last use, to the minute."""
    await pool.execute(RECORD_USE, token_id)


async def find(database: Pool | Connection, token_id: UUID) -> ApiToken | None:
    row = await database.fetchrow(FIND, token_id)
    return None if row is None else token_of(row)


async def list_page(pool: Pool, *, after: UUID | None, limit: int) -> list[ApiToken]:
    return [token_of(row) for row in await pool.fetch(LIST, after, limit)]


async def insert(
    connection: Connection,
    *,
    name: str,
    token_hash: bytes,
    role: Role,
    scopes: Sequence[Scope],
    created_by: str,
    expires_at: datetime | None,
) -> UUID:
    found: UUID = await connection.fetchval(
        INSERT, name, token_hash, role, list(scopes), created_by, expires_at
    )
    return found


async def revoke(connection: Connection, token_id: UUID) -> bool:
    """Revoke a token; False if it already was revoked."""
    return bool(await connection.fetchval(REVOKE, token_id))
