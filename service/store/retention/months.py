"""The partitions of `callgate.calls`: one for each month in which calls were recorded first.

Functions of the database add and drop them, because the service's role cannot change tables. A call
whose month has no partition is recorded in `calls_rest`, so nothing waits for this module.
"""

from datetime import timedelta

import asyncpg
import structlog

from service.store.pool import Pool

MONTHS_AHEAD = 3
KEYS_KEPT = timedelta(days=2)
"""How long the key of a call is kept: two records of a call that old do not race any more, and a later
one finds the row itself."""
DROP_SECONDS = 600.0
LONGER = "SET LOCAL statement_timeout = '10min'"
"""A month's calls are counted before they go, which reads an index of them."""

ADD = "SELECT callgate.add_call_months($1)"
FIND_OLD = """
SELECT name FROM callgate.call_months()
WHERE ends_on <= (now() - make_interval(secs => $1)) AT TIME ZONE 'UTC' ORDER BY ends_on
"""
DROP = "SELECT callgate.drop_call_month($1)"

DELETE_KEYS = """
DELETE FROM callgate.call_keys WHERE vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_keys
    WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2)
"""

log = structlog.get_logger()


async def add_months(pool: Pool) -> None:
    """Make sure that this month and the next ones have partitions."""
    try:
        if added := await pool.fetchval(ADD, MONTHS_AHEAD):
            log.info("calls.months_added", months=added)
    except asyncpg.LockNotAvailableError:
        log.warning("calls.months_wait", doing="add")


async def drop_months(pool: Pool, keep: timedelta) -> int:
    """Drop each month that ended `keep` ago; returns how many calls went.

    A month with a call that may go on stays, and so does one that a long reader holds, such as an
    export: the next turn tries again.
    """
    dropped = 0
    for row in await pool.fetch(FIND_OLD, keep.total_seconds()):
        try:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(LONGER)
                calls = await connection.fetchval(DROP, row["name"], timeout=DROP_SECONDS)
        except asyncpg.LockNotAvailableError:
            log.warning("calls.months_wait", doing="drop", month=row["name"])
            break  # the lock is on the whole table: the next month waits for the same reader
        if calls is not None:
            log.info("calls.month_dropped", month=row["name"], calls=calls)
            dropped += calls
    return dropped
