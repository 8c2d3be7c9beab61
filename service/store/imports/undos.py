"""`callgate.import_undos`: how far the undoing of an import has come, until it is finished."""

from service.store.pool import Pool

FIND = "SELECT below FROM callgate.import_undos WHERE audit_id = $1"

PUT = """
INSERT INTO callgate.import_undos (audit_id, below) VALUES ($1, $2)
ON CONFLICT (audit_id) DO UPDATE SET below = excluded.below
"""

COUNT_UNDONE = """
SELECT count(DISTINCT p.object_id) FROM callgate.audit p
WHERE p.part_of = $1 AND EXISTS (SELECT FROM callgate.audit u WHERE u.undoes = p.id)
"""

DELETE = "DELETE FROM callgate.import_undos WHERE audit_id = $1"


async def find_below(pool: Pool, audit_id: int) -> int | None:
    """The part of an import's entry below which its undoing continues; None: with the newest."""
    found: int | None = await pool.fetchval(FIND, audit_id)
    return found


async def put_below(pool: Pool, audit_id: int, below: int) -> None:
    """Remember the last part that was tried."""
    await pool.execute(PUT, audit_id, below)


async def delete_below(pool: Pool, audit_id: int) -> None:
    """The undoing is finished: a later one begins with the newest part again."""
    await pool.execute(DELETE, audit_id)


async def count_undone(pool: Pool, audit_id: int) -> int:
    """How many objects had a change by an import's rows that was undone, with it or one by one."""
    found: int = await pool.fetchval(COUNT_UNDONE, audit_id)
    return found
