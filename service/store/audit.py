"""The audit log: who changed what, from what to what. Append-only, by a trigger in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.store.pool import Connection, Pool

RECORD = """
INSERT INTO callgate.audit (actor, source, action, object_type, object_id, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

LIST = """
SELECT id, at, actor, source, action, object_type, object_id, before, after FROM callgate.audit
WHERE id < coalesce($4::bigint, 9223372036854775807)
    AND ($1::text IS NULL OR object_type = $1) AND ($2::text IS NULL OR object_id = $2)
    AND ($3::text IS NULL OR actor = $3)
ORDER BY id DESC LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `before` is None for what is new, `after` for what is gone."""

    id: int
    at: datetime
    actor: str
    source: str
    action: str
    object_type: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


async def record_audit(
    connection: Connection,
    *,
    actor: str,
    source: str,
    action: str,
    object_type: str,
    object_id: object,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry, in the transaction of the change itself."""
    await connection.execute(
        RECORD, actor, source, action, object_type, str(object_id), before, after
    )


async def list_audit(
    pool: Pool,
    *,
    object_type: str | None,
    object_id: str | None,
    actor: str | None,
    before_id: int | None,
    limit: int,
) -> list[AuditEntry]:
    """Entries, newest first."""
    rows = await pool.fetch(LIST, object_type, object_id, actor, before_id, limit)
    return [AuditEntry(**dict(row)) for row in rows]
