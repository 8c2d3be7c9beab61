"""`callgate.import_rows`: the rows of imports, each with its plan and its outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from service.store.imports.imports import ImportClaim
from service.store.leases import LEASE_SECONDS
from service.store.pool import Connection, Pool

Outcome = Literal["done", "unchanged", "failed"]
Show = Literal["all", "failed", "done", "unchanged", "waiting"]

AT_ONCE = 1000
"""Rows that one statement inserts: turning all of them into JSON at once would stop the event loop."""

INSERT_ROWS = """
INSERT INTO callgate.import_rows (
    import_id, line, plan, given, wanted, action, outcome, message, phone_number_id, organization_id)
SELECT $1, r.line, r.plan - 'given' - 'wanted', r.plan -> 'given',
    nullif(r.plan -> 'wanted', 'null') - 'given', r.plan ->> 'action',
    CASE r.plan ->> 'action' WHEN 'error' THEN 'failed' WHEN 'unchanged' THEN 'unchanged' END,
    r.plan ->> 'message', (r.plan ->> 'phone_number_id')::uuid,
    (r.plan ->> 'organization_id')::uuid
FROM jsonb_to_recordset($2) AS r(line integer, plan jsonb)
"""

# An import has 10,000 rows at most, so scanning rows that the filters drop is cheap.
LIST_ROWS = """
SELECT line, plan, given, wanted, action, outcome, message, phone_number_id, organization_id
FROM callgate.import_rows
WHERE import_id = $1 AND (outcome IS DISTINCT FROM 'failed', line) > ($2::boolean, $3::integer)
    AND ($4 = 'all' OR coalesce(outcome, 'waiting') = $4)
ORDER BY (outcome IS DISTINCT FROM 'failed'), line LIMIT $5
"""

COUNT_ROWS = """
SELECT import_id, action, coalesce(outcome, 'waiting') AS outcome, count(*) AS rows
FROM callgate.import_rows WHERE import_id = ANY($1::uuid[]) GROUP BY 1, 2, 3
"""

LIST_PENDING_ROWS = """
SELECT r.line, r.plan, r.given, r.wanted, r.action, r.outcome, r.message, r.phone_number_id,
    r.organization_id
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
        phone_number_id = coalesce($7, r.phone_number_id),
        organization_id = coalesce($8, r.organization_id)
    FROM held WHERE r.import_id = $1 AND r.line = $4
)
SELECT state = 'applying' FROM held
"""


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """A row with its plan, as the use case wrote it, and its outcome (None: pending).

    `message` is a sentence for the admin; `given` are the cells of the file, None for an import of an
    older version. `wanted` are the values of a row of organizations. The ids are those of the row's
    number and organization, as far as they exist.
    """

    line: int
    plan: Mapping[str, Any]
    given: Sequence[str] | None
    wanted: Mapping[str, Any] | None
    action: str
    outcome: Outcome | None
    message: str | None
    phone_number_id: UUID | None
    organization_id: UUID | None

    @property
    def place(self) -> tuple[bool, int]:
        """Its place in the list: failed rows come first."""
        return self.outcome != "failed", self.line


async def insert_rows(
    connection: Connection, import_id: UUID, plans: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows of an import; each of `plans` is a planned row, with its ids as texts or None."""
    for start in range(0, len(plans), AT_ONCE):
        rows = [{"line": one["line"], "plan": one} for one in plans[start : start + AT_ONCE]]
        await connection.execute(INSERT_ROWS, import_id, rows)


async def list_rows(
    pool: Pool, import_id: UUID, show: Show, *, after: tuple[bool, int], limit: int
) -> list[ImportRecord]:
    """Rows after the place `after`: failed ones first, then the others, each by line."""
    rows = await pool.fetch(LIST_ROWS, import_id, *after, show, limit)
    return [ImportRecord(**dict(row)) for row in rows]


async def count_rows(
    pool: Pool, import_ids: Sequence[UUID]
) -> dict[UUID, dict[tuple[str, str], int]]:
    """The rows of each import, by planned action and outcome (`waiting`: pending)."""
    found: dict[UUID, dict[tuple[str, str], int]] = {one: {} for one in import_ids}
    for row in await pool.fetch(COUNT_ROWS, import_ids):
        found[row["import_id"]][row["action"], row["outcome"]] = row["rows"]
    return found


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
    organization_id: UUID | None,
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
        organization_id,
    )
    return bool(continues)
