"""`callgate.admins`: the accounts that may sign in, and the setup codes for the first one."""

from typing import Any
from uuid import UUID

from service.domain.people import Admin, Role
from service.store.pool import Connection, Pool

COLUMNS = """
SELECT id, name, role, created_at, created_by, disabled_at, last_sign_in_at,
    password_hash IS NOT NULL AS has_password, subject, updated_at
FROM callgate.admins
"""

FIND = COLUMNS + "WHERE id = $1"

FIND_BY_KEY = COLUMNS + "WHERE name_key = $1"

FIND_BY_SUBJECT = COLUMNS + "WHERE subject = $1"

LIST = """
SELECT id, name, role, created_at, created_by, disabled_at, last_sign_in_at,
    password_hash IS NOT NULL AS has_password, subject, updated_at
FROM callgate.admins
WHERE $1::uuid IS NULL
    OR name_key > (SELECT name_key FROM callgate.admins WHERE id = $1)
ORDER BY name_key LIMIT $2
"""

COUNT = "SELECT count(*) FROM callgate.admins"

FIND_HASH = "SELECT password_hash FROM callgate.admins WHERE id = $1"

IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM callgate.admins)"

# Demoting or disabling an admin checks all the others, so such changes are serialized.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('callgate.admins', 0))"

HAS_OTHER = """
SELECT EXISTS (
    SELECT FROM callgate.admins WHERE role = 'admin' AND disabled_at IS NULL AND id <> $1
)
"""

INSERT = """
INSERT INTO callgate.admins (name, name_key, role, password_hash, subject, created_by)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT admins_name_key DO NOTHING RETURNING id
"""

UPDATE_ROLE = "UPDATE callgate.admins SET role = $2, updated_at = now() WHERE id = $1"

DISABLE = "UPDATE callgate.admins SET disabled_at = now(), updated_at = now() WHERE id = $1"

ENABLE = "UPDATE callgate.admins SET disabled_at = NULL, updated_at = now() WHERE id = $1"

UPDATE_HASH = "UPDATE callgate.admins SET password_hash = $2, updated_at = now() WHERE id = $1"

REPLACE_HASH = "UPDATE callgate.admins SET password_hash = $3 WHERE id = $1 AND password_hash = $2"

RECORD_SIGN_IN = "UPDATE callgate.admins SET last_sign_in_at = now() WHERE id = $1"

INSERT_CODE = "INSERT INTO callgate.setup_codes (code_hash) VALUES ($1)"

DELETE_OLD_CODES = """
DELETE FROM callgate.setup_codes WHERE code_hash NOT IN (
    SELECT code_hash FROM callgate.setup_codes ORDER BY created_at DESC LIMIT 20
)
"""

HAS_CODE = "SELECT EXISTS (SELECT FROM callgate.setup_codes WHERE code_hash = $1)"

DELETE_CODES = "DELETE FROM callgate.setup_codes"


def admin_of(row: Any) -> Admin | None:
    return None if row is None else Admin(**dict(row))


async def find(database: Pool | Connection, admin_id: UUID) -> Admin | None:
    return admin_of(await database.fetchrow(FIND, admin_id))


async def find_by_key(database: Pool | Connection, name_key: str) -> Admin | None:
    return admin_of(await database.fetchrow(FIND_BY_KEY, name_key))


async def find_by_subject(database: Pool | Connection, subject: str) -> Admin | None:
    return admin_of(await database.fetchrow(FIND_BY_SUBJECT, subject))


async def list_page(pool: Pool, *, after: UUID | None, limit: int) -> list[Admin]:
    """Admins by name, after the one with the id `after`."""
    return [Admin(**dict(row)) for row in await pool.fetch(LIST, after, limit)]


async def count(pool: Pool) -> int:
    """How many admins there are, disabled ones among them."""
    found: int = await pool.fetchval(COUNT)
    return found


async def find_hash(database: Pool | Connection, admin_id: UUID) -> str | None:
    found: str | None = await database.fetchval(FIND_HASH, admin_id)
    return found


async def is_empty(database: Pool | Connection) -> bool:
    return bool(await database.fetchval(IS_EMPTY))


async def lock(connection: Connection) -> None:
    """Block other changes of admins until this transaction ends."""
    await connection.execute(LOCK)


async def has_other_admin(connection: Connection, admin_id: UUID) -> bool:
    """Whether another enabled account has the role admin."""
    return bool(await connection.fetchval(HAS_OTHER, admin_id))


async def insert(
    connection: Connection,
    *,
    name: str,
    name_key: str,
    role: Role,
    password_hash: str | None,
    subject: str | None,
    created_by: str,
) -> UUID | None:
    """Add an admin; None if the name is taken."""
    made: UUID | None = await connection.fetchval(
        INSERT, name, name_key, role, password_hash, subject, created_by
    )
    return made


async def update_role(connection: Connection, admin_id: UUID, role: Role) -> None:
    await connection.execute(UPDATE_ROLE, admin_id, role)


async def update_enabled(connection: Connection, admin_id: UUID, *, enabled: bool) -> None:
    await connection.execute(ENABLE if enabled else DISABLE, admin_id)


async def update_hash(connection: Connection, admin_id: UUID, password_hash: str) -> None:
    await connection.execute(UPDATE_HASH, admin_id, password_hash)


async def replace_hash(connection: Connection, admin_id: UUID, old: str, new: str) -> None:
    """Replace the hash of an unchanged password by a stronger one."""
    await connection.execute(REPLACE_HASH, admin_id, old, new)


async def record_sign_in(connection: Connection, admin_id: UUID) -> None:
    await connection.execute(RECORD_SIGN_IN, admin_id)


async def insert_code(connection: Connection, code_hash: bytes) -> None:
    """Add a setup code; the newest 20 are kept."""
    await connection.execute(INSERT_CODE, code_hash)
    await connection.execute(DELETE_OLD_CODES)


async def has_code(database: Pool | Connection, code_hash: bytes) -> bool:
    return bool(await database.fetchval(HAS_CODE, code_hash))


async def delete_codes(connection: Connection) -> None:
    await connection.execute(DELETE_CODES)
