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

COUNT = "SELECT count(*) FROM callgate.api_tokens"

INSERT = """
INSERT INTO callgate.api_tokens (
    name, token_hash, role, scopes, created_by, expires_at, parent_id, admin_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""

# Creating and revoking are serialized: a token that is created meanwhile would be missed.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('callgate.api_tokens', 0))"

IS_LIVE = """
SELECT ($1::uuid IS NULL OR EXISTS (
        SELECT FROM callgate.api_tokens WHERE id = $1 AND revoked_at IS NULL))
    AND ($2::uuid IS NULL OR EXISTS (
        SELECT FROM callgate.admins WHERE id = $2 AND disabled_at IS NULL))
"""

# $1: a token, or $2: the admin in the panel; with all that these created, and so on.
REVOKE = """
WITH RECURSIVE made AS (
    SELECT id FROM callgate.api_tokens WHERE id = $1 OR admin_id = $2
    UNION
    SELECT t.id FROM callgate.api_tokens t JOIN made ON t.parent_id = made.id
)
UPDATE callgate.api_tokens t SET revoked_at = now()
FROM made WHERE t.id = made.id AND t.revoked_at IS NULL
RETURNING t.id, t.name, t.role, t.scopes, t.created_by, t.created_at, t.expires_at, t.revoked_at,
    t.last_used_at
"""

# Gone with the question that it was made for; one of a command that was killed goes with the next.
DELETE_LENT = """
DELETE FROM callgate.api_tokens
WHERE id = $1 OR created_by = $2 AND name = $3 AND expires_at < now()
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


async def count(pool: Pool) -> int:
    """How many tokens there are, revoked and expired ones among them."""
    found: int = await pool.fetchval(COUNT)
    return found


async def insert(
    connection: Connection,
    *,
    name: str,
    token_hash: bytes,
    role: Role,
    scopes: Sequence[Scope],
    created_by: str,
    expires_at: datetime | None,
    parent_id: UUID | None,
    admin_id: UUID | None,
) -> UUID:
    """Add a token that ends with the token `parent_id` or the admin `admin_id`."""
    found: UUID = await connection.fetchval(
        INSERT,
        name,
        token_hash,
        role,
        list(scopes),
        created_by,
        expires_at,
        parent_id,
        admin_id,
    )
    return found


async def lock(connection: Connection) -> None:
    """Block other creations and revocations of tokens until this transaction ends."""
    await connection.execute(LOCK)


async def is_live(connection: Connection, token_id: UUID | None, admin_id: UUID | None) -> bool:
    """Whether the token is not revoked and the admin not disabled; None always is."""
    return bool(await connection.fetchval(IS_LIVE, token_id, admin_id))


async def revoke(connection: Connection, token_id: UUID) -> list[ApiToken]:
    """Revoke a token and all that it created; returns those that were not revoked yet."""
    return [token_of(row) for row in await connection.fetch(REVOKE, token_id, None)]


async def revoke_of_admin(connection: Connection, admin_id: UUID) -> list[ApiToken]:
    """Revoke all that an admin created, likewise."""
    return [token_of(row) for row in await connection.fetch(REVOKE, None, admin_id)]


async def delete_lent(pool: Pool, token_id: UUID, created_by: str, name: str) -> None:
    """Delete a token that was lent for one question, and expired ones like it."""
    await pool.execute(DELETE_LENT, token_id, created_by, name)
