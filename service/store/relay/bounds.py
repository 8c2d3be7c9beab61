"""What keeps the relay's tables small: surplus messages of an organization, and old ones."""

from datetime import timedelta
from uuid import UUID

from service.store.pool import Pool

KEPT = timedelta(days=3)
"""How long messages are kept and tried; so far back reaches a replay."""
BITE = 500

COUNT = """
SELECT organization_id, count(*) AS messages, sum(size) AS bytes FROM callgate.relay_messages
WHERE done_at IS NULL GROUP BY organization_id
"""

# The newest stay, and what is claimed: it may be delivered at this moment, and is soon given back if it
# is not. What is dropped keeps its row, without its body.
DROP = """
WITH ranked AS (
    SELECT id, count(*) OVER newest AS place, sum(size) OVER newest AS bytes
    FROM callgate.relay_messages WHERE organization_id = $1 AND done_at IS NULL
    WINDOW newest AS (ORDER BY received_at DESC, id DESC)),
dropped AS (
    UPDATE callgate.relay_messages m SET done_at = clock_timestamp(), outcome = 'dropped',
        body = '', size = 0
    FROM ranked WHERE m.id = ranked.id AND m.done_at IS NULL AND m.claimed_by IS NULL
        AND (ranked.place > $2 OR ranked.bytes > $3)
    RETURNING m.id)
INSERT INTO callgate.relay_states AS s (organization_id, dropped)
SELECT $1, count(*) FROM dropped HAVING count(*) > 0
ON CONFLICT ON CONSTRAINT relay_states_pkey DO UPDATE SET dropped = s.dropped + excluded.dropped
RETURNING (SELECT count(*) FROM dropped)
"""

# Without an order: by id, PostgreSQL might read all that is done.
EXPIRE = """
UPDATE callgate.relay_messages SET done_at = clock_timestamp(), outcome = 'expired'
WHERE id IN (
    SELECT id FROM callgate.relay_messages
    WHERE done_at IS NULL AND claimed_by IS NULL AND received_at < now() - make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED)
"""

# Ids are nearly in the order of time, so no index on instants alone is needed.
DELETE = """
DELETE FROM callgate.relay_messages WHERE received_at < now() - make_interval(secs => $1)
    AND done_at IS NOT NULL AND id IN (
        SELECT id FROM callgate.relay_messages ORDER BY id LIMIT $2)
"""


async def count_waiting(pool: Pool) -> dict[UUID, tuple[int, int]]:
    """The waiting messages of each organization that has any, and their bytes."""
    rows = await pool.fetch(COUNT)
    return {row["organization_id"]: (row["messages"], row["bytes"]) for row in rows}


async def drop_surplus(pool: Pool, owner: UUID, most_messages: int, most_bytes: int) -> int:
    """Drop the oldest waiting messages of an organization beyond the bounds; how many."""
    return await pool.fetchval(DROP, owner, most_messages, most_bytes) or 0


async def expire(pool: Pool) -> int:
    """End messages that were tried for as long as they are kept; how many."""
    status = await pool.execute(EXPIRE, KEPT.total_seconds(), BITE)
    return int(status.rpartition(" ")[2])
