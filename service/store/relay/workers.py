"""`callgate.relay_workers`: who delivers. Claims on messages hold while their worker's row is alive."""

from uuid import UUID

from service.store.leases import LEASE_SECONDS
from service.store.pool import Pool

# A worker whose lease is over does not come back: its claims are free.
RENEW = """
INSERT INTO callgate.relay_workers AS w (id, alive_until)
VALUES ($1, clock_timestamp() + make_interval(secs => $2))
ON CONFLICT ON CONSTRAINT relay_workers_pkey DO UPDATE SET alive_until = excluded.alive_until
WHERE w.alive_until > clock_timestamp()
RETURNING true
"""

DELETE = "DELETE FROM callgate.relay_workers WHERE id = $1"

DELETE_DEAD = """
WITH dead AS (
    SELECT id FROM callgate.relay_workers WHERE alive_until <= clock_timestamp()
    FOR UPDATE SKIP LOCKED)
DELETE FROM callgate.relay_workers w USING dead WHERE w.id = dead.id
"""

FREE = """
WITH orphaned AS (
    SELECT m.id FROM callgate.relay_messages m
    WHERE m.done_at IS NULL AND m.claimed_by IS NOT NULL
        AND NOT EXISTS (SELECT FROM callgate.relay_workers w WHERE w.id = m.claimed_by)
    ORDER BY m.id FOR UPDATE OF m SKIP LOCKED)
UPDATE callgate.relay_messages m SET claimed_by = NULL FROM orphaned WHERE m.id = orphaned.id
"""


async def renew(pool: Pool, worker: UUID) -> bool:
    """Begin or extend a worker's lease; False if it was over."""
    return bool(await pool.fetchval(RENEW, worker, LEASE_SECONDS))


async def retire(pool: Pool, worker: UUID) -> None:
    """End a worker and free its claims."""
    await pool.execute(DELETE, worker)
    await free_orphaned(pool)


async def delete_dead(pool: Pool) -> bool:
    """Delete workers whose lease is over; whether there were any."""
    return bool(await pool.execute(DELETE_DEAD) != "DELETE 0")


async def free_orphaned(pool: Pool) -> None:
    """Free the claims of workers that are gone."""
    await pool.execute(FREE)
