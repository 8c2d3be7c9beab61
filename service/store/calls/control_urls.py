"""Control URLs of calls: capabilities, erased by a trigger at the end of the call, and here by age."""

from service.store.pool import Pool

OLDEST_HOURS = 24
"""No call lasts longer: Vapi's `maxDurationSeconds` ends at 43,200."""
BITE = 1000

ERASE = """
WITH old AS (
    SELECT id FROM callgate.calls
    WHERE control_url IS NOT NULL AND created_at < now() - make_interval(hours => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE callgate.calls c SET control_url = NULL FROM old WHERE c.id = old.id
"""


async def erase_old(pool: Pool) -> None:
    """Erase the control URLs of calls whose end was never reported."""
    while await pool.execute(ERASE, OLDEST_HOURS, BITE) == f"UPDATE {BITE}":
        pass
