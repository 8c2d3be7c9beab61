"""`callgate.imports` and `callgate.import_rows`: imports, their rows and the claims of workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from service.store.leases import LEASE_SECONDS
from service.store.pool import Connection, Pool

State = Literal["planned", "applying", "applied", "canceled"]
Outcome = Literal["done", "unchanged", "failed"]
Show = Literal["all", "failed", "done", "unchanged", "waiting"]

KEPT_DAYS = 30
AT_ONCE = 1000
"""Rows that one statement inserts: turning all of them into JSON at once would stop the event loop."""

COLUMNS = """
SELECT id, created_by, source, created_at, file_name, state, warning, applied_by, applied_at,
    finished_at, audit_id
FROM callgate.imports
"""

FIND = COLUMNS + "WHERE id = $1"

FIND_LOCKED = COLUMNS + "WHERE id = $1 FOR UPDATE"

LIST = (
    COLUMNS  # noqa: S608
    + """
WHERE $1::uuid IS NULL
    OR (created_at, id) < (SELECT l.created_at, l.id FROM callgate.imports l WHERE l.id = $1)
ORDER BY created_at DESC, id DESC LIMIT $2
"""
)

INSERT = """
INSERT INTO callgate.imports (created_by, source, file_name, warning) VALUES ($1, $2, $3, $4)
RETURNING id
"""

INSERT_ROWS = """
INSERT INTO callgate.import_rows (
    import_id, line, plan, given, action, outcome, message, phone_number_id)
SELECT $1, r.line, r.plan - 'given' - 'wanted', r.plan -> 'given', r.plan ->> 'action',
    CASE r.plan ->> 'action' WHEN 'error' THEN 'failed' WHEN 'unchanged' THEN 'unchanged' END,
    r.plan ->> 'message', (r.plan ->> 'phone_number_id')::uuid
FROM jsonb_to_recordset($2) AS r(line integer, plan jsonb)
"""

DELETE_OLD = """
DELETE FROM callgate.imports
WHERE created_at < now() - make_interval(days => $1) AND state <> 'applying'
"""

# An import has 10,000 rows at most, so scanning rows that the filters drop is cheap.
LIST_ROWS = """
SELECT line, plan, given, action, outcome, message, phone_number_id FROM callgate.import_rows
WHERE import_id = $1 AND (outcome IS DISTINCT FROM 'failed', line) > ($2::boolean, $3::integer)
    AND ($4 = 'all' OR coalesce(outcome, 'waiting') = $4)
ORDER BY (outcome IS DISTINCT FROM 'failed'), line LIMIT $5
"""

COUNT_ROWS = """
SELECT action, coalesce(outcome, 'waiting') AS outcome, count(*) AS rows
FROM callgate.import_rows WHERE import_id = $1 GROUP BY 1, 2
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
RETURNING id, claim, applied_by, source, audit_id
"""

LIST_PENDING_ROWS = """
SELECT r.line, r.plan, r.given, r.action, r.outcome, r.message, r.phone_number_id
FROM callgate.import_rows r
WHERE r.import_id = $1 AND r.outcome IS NULL AND EXISTS (SELECT FROM callgate.imports i
    WHERE i.id = $1 AND i.claim = $2 AND i.state = 'applying')
ORDER BY r.line LIMIT $3
"""

RECORD_OUTCOME = """
WITH held AS (
    UPDATE callgate.imports SET claimed_until = now() + make_interval(secs => $3)
    WHERE id = $1 AND claim = $2
    RETURNING state
), recorded AS (
    UPDATE callgate.import_rows r SET outcome = $5, message = coalesce($6, r.message),
        phone_number_id = coalesce($7, r.phone_number_id)
    FROM held WHERE r.import_id = $1 AND r.line = $4
)
SELECT state = 'applying' FROM held
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
    """One import without its rows. `audit_id` is the entry of its application."""

    id: UUID
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


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """A row with its plan, as the use case wrote it, and its outcome (None: pending).

    `message` is a sentence for the admin; `given` are the cells of the file, None for an import of an
    older version.
    """

    line: int
    plan: Mapping[str, Any]
    given: Sequence[str] | None
    action: str
    outcome: Outcome | None
    message: str | None
    phone_number_id: UUID | None

    @property
    def place(self) -> tuple[bool, int]:
        """Its place in the list: failed rows come first."""
        return self.outcome != "failed", self.line


@dataclass(frozen=True, slots=True)
class ImportClaim:
    """A worker's claim on an import; `number` is a fencing token: the highest one is valid."""

    import_id: UUID
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


async def list_page(pool: Pool, *, after: UUID | None, limit: int) -> list[ImportJob]:
    """Imports, newest first."""
    return [ImportJob(**dict(row)) for row in await pool.fetch(LIST, after, limit)]


async def insert(
    connection: Connection,
    *,
    created_by: str,
    source: str,
    file_name: str,
    warning: str | None,
    plans: Sequence[Mapping[str, Any]],
) -> UUID:
    """Insert an import; each of `plans` has at least `line`, `action`, `message` and
    `phone_number_id`."""
    made: UUID = await connection.fetchval(INSERT, created_by, source, file_name, warning)
    for start in range(0, len(plans), AT_ONCE):
        rows = [{"line": one["line"], "plan": one} for one in plans[start : start + AT_ONCE]]
        await connection.execute(INSERT_ROWS, made, rows)
    return made


async def delete_old(connection: Connection) -> None:
    """Delete expired imports."""
    await connection.execute(DELETE_OLD, KEPT_DAYS)


async def list_rows(
    pool: Pool, import_id: UUID, show: Show, *, after: tuple[bool, int], limit: int
) -> list[ImportRecord]:
    """Rows after the place `after`: failed ones first, then the others, each by line."""
    rows = await pool.fetch(LIST_ROWS, import_id, *after, show, limit)
    return [ImportRecord(**dict(row)) for row in rows]


async def count_rows(pool: Pool, import_id: UUID) -> dict[tuple[str, str], int]:
    """Rows by planned action and outcome (`waiting`: pending)."""
    rows = await pool.fetch(COUNT_ROWS, import_id)
    return {(row["action"], row["outcome"]): row["rows"] for row in rows}


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


async def list_pending_rows(pool: Pool, held: ImportClaim, limit: int) -> list[ImportRecord]:
    """The next rows to apply; none if the claim is lost."""
    rows = await pool.fetch(LIST_PENDING_ROWS, held.import_id, held.number, limit)
    return [ImportRecord(**dict(row)) for row in rows]


async def record_outcome(
    pool: Pool,
    held: ImportClaim,
    line: int,
    *,
    outcome: Outcome,
    message: str | None,
    phone_number_id: UUID | None,
) -> bool:
    """Record the outcome of a row if the claim still holds; returns whether to continue."""
    continues = await pool.fetchval(
        RECORD_OUTCOME,
        held.import_id,
        held.number,
        LEASE_SECONDS,
        line,
        outcome,
        message,
        phone_number_id,
    )
    return bool(continues)


async def finish(pool: Pool, held: ImportClaim) -> bool:
    """Mark the import applied; False if the claim is lost."""
    return bool(await pool.fetchval(FINISH, held.import_id, held.number))


async def release(pool: Pool, held: ImportClaim) -> None:
    """Release the claim, so that another worker can continue at once."""
    await pool.execute(RELEASE, held.import_id, held.number)
