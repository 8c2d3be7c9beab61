"""`callgate.imports`: imports and the claims of workers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from service.store.leases import LEASE_SECONDS
from service.store.pool import Connection, Pool

State = Literal["planned", "applying", "applied", "canceled"]
Kind = Literal["phone_numbers", "organizations"]
KINDS: tuple[Kind, ...] = get_args(Kind)

KEPT_DAYS = 30

COLUMNS = """
SELECT id, kind, created_by, source, created_at, file_name, state, warning, applied_by, applied_at,
    finished_at, audit_id, EXISTS (SELECT FROM callgate.import_rows r WHERE r.import_id = imports.id
        AND NOT (r.outcome IS DISTINCT FROM 'failed')) AS has_errors,
    undo.at AS undone_at,
    undo.at IS NOT NULL AND EXISTS (SELECT FROM callgate.audit p WHERE p.part_of = imports.audit_id
        AND EXISTS (SELECT FROM callgate.audit u WHERE u.undoes = p.id)) AS has_undone,
    undo.at IS NOT NULL AND EXISTS (SELECT FROM callgate.audit p WHERE p.part_of = imports.audit_id
        AND NOT EXISTS (SELECT FROM callgate.audit u WHERE u.undoes = p.id)) AS has_left
FROM callgate.imports, LATERAL (
    SELECT max(u.at) AS at FROM callgate.audit u WHERE u.undoes = imports.audit_id) AS undo
"""

FIND = COLUMNS + "WHERE id = $1"

FIND_LOCKED = COLUMNS + "WHERE id = $1 FOR UPDATE OF imports"

LIST = (
    COLUMNS  # noqa: S608
    + """
WHERE ($1::text IS NULL OR kind = $1) AND ($2::uuid IS NULL
    OR (created_at, id) < (SELECT l.created_at, l.id FROM callgate.imports l WHERE l.id = $2))
ORDER BY created_at DESC, id DESC LIMIT $3
"""
)

COUNT = "SELECT count(*) FROM callgate.imports WHERE $1::text IS NULL OR kind = $1"

INSERT = """
INSERT INTO callgate.imports (kind, created_by, source, file_name, warning)
VALUES ($1, $2, $3, $4, $5) RETURNING id
"""

DELETE_OLD = """
DELETE FROM callgate.imports
WHERE created_at < now() - make_interval(days => $1) AND state <> 'applying'
"""

# A canceled one has its claim until the row that was being applied is recorded.
IS_UNDER_WAY = """
SELECT state = 'applying' OR (state = 'canceled' AND coalesce(claimed_until > now(), false))
FROM callgate.imports WHERE id = $1
"""

START = """
UPDATE callgate.imports SET state = 'applying', applied_by = $2, applied_at = now(), audit_id = $3
WHERE id = $1
"""

# The claim stays: the row being applied is still recorded, and is the last one.
CANCEL = "UPDATE callgate.imports SET state = 'canceled', finished_at = now() WHERE id = $1"

CLAIM = """
UPDATE callgate.imports SET claim = claim + 1, claimed_until = now() + make_interval(secs => $1)
WHERE id = (
    SELECT id FROM callgate.imports
    WHERE state = 'applying' AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY applied_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, claim, applied_by, source, audit_id
"""

RENEW = """
UPDATE callgate.imports SET claimed_until = now() + make_interval(secs => $3)
WHERE id = $1 AND claim = $2 AND claimed_until IS NOT NULL RETURNING true
"""

FINISH = """
UPDATE callgate.imports SET state = 'applied', finished_at = now(), claimed_until = NULL
WHERE id = $1 AND claim = $2 AND state = 'applying'
RETURNING true
"""

RELEASE = "UPDATE callgate.imports SET claimed_until = NULL WHERE id = $1 AND claim = $2"


@dataclass(frozen=True, slots=True)
class ImportJob:
    """One import without its rows. `audit_id` is the entry of its application, `undone_at` when that was
    last undone: `has_undone` says that some of its changes were, `has_left` that some were not.
    `has_errors`: a row could not be planned or applied."""

    id: UUID
    kind: Kind
    created_by: str
    source: str
    created_at: datetime
    file_name: str
    state: State
    warning: str | None
    applied_by: str | None
    applied_at: datetime | None
    finished_at: datetime | None
    audit_id: int | None
    has_errors: bool
    undone_at: datetime | None
    has_undone: bool
    has_left: bool


@dataclass(frozen=True, slots=True)
class ImportClaim:
    """A worker's claim on an import; `number` is a fencing token: the highest one is valid."""

    import_id: UUID
    kind: Kind
    number: int
    applied_by: str
    source: str
    audit_id: int | None


async def find(pool: Pool, import_id: UUID) -> ImportJob | None:
    row = await pool.fetchrow(FIND, import_id)
    return None if row is None else ImportJob(**dict(row))


async def find_locked(connection: Connection, import_id: UUID) -> ImportJob | None:
    """One import, locked until the transaction ends."""
    row = await connection.fetchrow(FIND_LOCKED, import_id)
    return None if row is None else ImportJob(**dict(row))


async def is_under_way(pool: Pool, import_id: UUID) -> bool:
    """Whether a row of an import may still be applied; False for one that is no longer kept."""
    return bool(await pool.fetchval(IS_UNDER_WAY, import_id))


async def list_page(
    pool: Pool, kind: Kind | None, *, after: UUID | None, limit: int
) -> list[ImportJob]:
    """Imports of a kind, or of all, newest first."""
    return [ImportJob(**dict(row)) for row in await pool.fetch(LIST, kind, after, limit)]


async def count(pool: Pool, kind: Kind | None) -> int:
    """How many imports of a kind there are, or of all."""
    found: int = await pool.fetchval(COUNT, kind)
    return found


async def insert(
    connection: Connection,
    *,
    kind: Kind,
    created_by: str,
    source: str,
    file_name: str,
    warning: str | None,
) -> UUID:
    """Insert an import without its rows."""
    made: UUID = await connection.fetchval(INSERT, kind, created_by, source, file_name, warning)
    return made


async def delete_old(connection: Connection) -> None:
    """Delete expired imports."""
    await connection.execute(DELETE_OLD, KEPT_DAYS)


async def start(connection: Connection, import_id: UUID, by: str, audit_id: int) -> None:
    await connection.execute(START, import_id, by, audit_id)


async def cancel(connection: Connection, import_id: UUID) -> None:
    await connection.execute(CANCEL, import_id)


async def claim(pool: Pool) -> ImportClaim | None:
    """Claim an import that is being applied and that no worker holds."""
    row = await pool.fetchrow(CLAIM, LEASE_SECONDS)
    if row is None:
        return None
    return ImportClaim(*row.values())


async def renew(pool: Pool, held: ImportClaim) -> bool:
    """Renew the lease; False once another worker has taken it over."""
    return bool(await pool.fetchval(RENEW, held.import_id, held.number, LEASE_SECONDS))


async def finish(pool: Pool, held: ImportClaim) -> bool:
    """Mark the import applied; False if the claim is lost."""
    return bool(await pool.fetchval(FINISH, held.import_id, held.number))


async def release(pool: Pool, held: ImportClaim) -> None:
    """Release the claim, so that another worker can continue at once."""
    await pool.execute(RELEASE, held.import_id, held.number)
