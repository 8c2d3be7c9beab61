"""The audit log as rows. Append-only, by a trigger in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from policies.host.ids import find_uuid
from service.domain.audit import AuditEntry
from service.store.pool import Connection, Pool

RECORD = """
INSERT INTO callgate.audit (
    actor, source, action, object_type, object_id, before, after, undoes, part_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
"""

COLUMNS = """
SELECT a.id, a.at, a.actor, a.source, a.action, a.object_type, a.object_id, a.before, a.after,
    a.undoes, a.part_of, (SELECT max(u.id) FROM callgate.audit u WHERE u.undoes = a.id) AS undone_by
FROM callgate.audit a
"""

FIND = COLUMNS + "WHERE a.id = $1"

# $1 is the last entry seen: pages go by the instant, found by its id. Parts of an entry are listed
# with $9, and where an object or an action is asked for.
PAGE = """
    (a.at, a.id) < (coalesce((SELECT l.at FROM callgate.audit l WHERE l.id = $1), 'infinity'),
        coalesce($1::bigint, 9223372036854775807))
    AND a.at >= coalesce($2::timestamptz, '-infinity')
    AND a.at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text IS NULL OR a.object_id = $4) AND ($5::text IS NULL OR a.actor = $5)
    AND ($6::text IS NULL OR a.action = $6) AND ($7::text IS NULL OR a.object_type = $7)
    AND ($8::text IS NULL OR a.source = $8)
    AND (CASE WHEN $9::bigint IS NOT NULL THEN a.part_of = $9
        ELSE a.part_of IS NULL OR $4 IS NOT NULL OR $6 IS NOT NULL END)
ORDER BY a.at DESC, a.id DESC LIMIT $10
"""

LIST = COLUMNS + "WHERE" + PAGE

# One statement a filter, the one that leaves least first, so that each has its own index.
LIST_BY = (
    COLUMNS + "WHERE a.object_id = $4 AND" + PAGE,
    COLUMNS + "WHERE a.actor = $5 AND" + PAGE,
    COLUMNS + "WHERE a.action = $6 AND" + PAGE,
    COLUMNS + "WHERE a.object_type = $7 AND" + PAGE,
    COLUMNS + "WHERE a.source = $8 AND" + PAGE,
    COLUMNS + "WHERE a.part_of = $9 AND" + PAGE,
)

FIND_NAMES = """
SELECT id::text, name FROM callgate.organizations WHERE id = ANY($1::uuid[])
UNION ALL
SELECT id::text, coalesce(label, number, vapi_phone_number_id)
FROM callgate.phone_numbers WHERE id = ANY($1::uuid[])
UNION ALL
SELECT id::text, name FROM callgate.api_tokens WHERE id = ANY($1::uuid[])
"""

LIST_ACTORS = """
WITH RECURSIVE seen AS (
    (SELECT actor FROM callgate.audit ORDER BY actor LIMIT 1)
    UNION ALL
    SELECT (SELECT a.actor FROM callgate.audit a WHERE a.actor > seen.actor
        ORDER BY a.actor LIMIT 1)
    FROM seen WHERE seen.actor IS NOT NULL
)
SELECT actor FROM seen WHERE actor IS NOT NULL LIMIT $1
"""


MOST_COUNTED = 10_000
"""How far matching entries are counted."""


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
    undoes: int | None = None,
    part_of: int | None = None,
) -> int:
    """Append an entry, in the transaction of the change itself, and return its id."""
    made: int = await connection.fetchval(
        RECORD, actor, source, action, object_type, str(object_id), before, after, undoes, part_of
    )
    return made


async def find_entry(pool: Pool, audit_id: int) -> AuditEntry | None:
    row = await pool.fetchrow(FIND, audit_id)
    return None if row is None else AuditEntry(**dict(row))


class AuditFilters(TypedDict, total=False):
    """Filters of the log; None matches all. `until` is exclusive.

    Without `part_of`, `object_id` and `action`, entries that are parts of another are left out.
    """

    object_type: str | None
    object_id: str | None
    actor: str | None
    source: str | None
    action: str | None
    since: datetime | None
    until: datetime | None
    part_of: int | None


async def list_audit(
    pool: Pool, *, before_id: int | None = None, limit: int, **wanted: Unpack[AuditFilters]
) -> list[AuditEntry]:
    """The entries that match, newest first."""
    statement, filters = choose_statement(wanted)
    rows = await pool.fetch(statement, before_id, *filters, limit)
    return [AuditEntry(**dict(row)) for row in rows]


async def count_audit(pool: Pool, **wanted: Unpack[AuditFilters]) -> int:
    """How many entries match; one more than `MOST_COUNTED` stands for more."""
    statement, filters = choose_statement(wanted)
    counted = f"SELECT count(*) FROM ({statement}) AS found"  # noqa: S608 - constants
    found: int = await pool.fetchval(counted, None, *filters, MOST_COUNTED + 1)
    return found


def choose_statement(wanted: AuditFilters) -> tuple[str, tuple[object, ...]]:
    """The statement that begins with the filter that leaves least, and its parameters from $2 on."""
    names = ("object_id", "actor", "action", "object_type", "source", "part_of")
    filters = tuple(wanted.get(name) for name in names)
    period = wanted.get("since"), wanted.get("until")
    if filters[-1] is not None:
        return LIST_BY[-1], (*period, *filters)
    found = (by for by, value in zip(LIST_BY, filters, strict=True) if value is not None)
    return next(found, LIST), (*period, *filters)


async def find_names(pool: Pool, ids: Sequence[str]) -> dict[str, str]:
    """Names of organizations, numbers and tokens by id; removed ones are missing."""
    known = {found for text in ids if (found := find_uuid(text)) is not None}
    rows = await pool.fetch(FIND_NAMES, list(known)) if known else []
    return {row["id"]: row["name"] for row in rows}


async def list_actors(pool: Pool, limit: int) -> list[str]:
    """The names of all actors in the audit; each is one step in an index."""
    return [row["actor"] for row in await pool.fetch(LIST_ACTORS, limit)]
