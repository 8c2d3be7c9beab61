"""`callgate.webhook_signatures`: signed messages that were answered lately, for all replicas.

A claim comes before the answer. `done` is set after it; a claim whose replica died is free again later.
"""

from typing import Literal

from service.store.pool import Pool

ABANDONED_SECONDS = 60.0
"""No answer takes so long: the replica that claimed the message is gone."""

CLAIM = """
INSERT INTO callgate.webhook_signatures AS s (digest) VALUES ($1)
ON CONFLICT ON CONSTRAINT webhook_signatures_pkey DO UPDATE SET seen_at = now()
WHERE NOT s.done AND s.seen_at < now() - make_interval(secs => $2)
RETURNING true
"""

IS_DONE = "SELECT done FROM callgate.webhook_signatures WHERE digest = $1"
SETTLE = "UPDATE callgate.webhook_signatures SET done = true WHERE digest = $1"
RELEASE = "DELETE FROM callgate.webhook_signatures WHERE digest = $1 AND NOT done"
DELETE_OLD = """
DELETE FROM callgate.webhook_signatures WHERE seen_at < now() - make_interval(secs => $1)
"""

SignatureClaim = Literal["claimed", "answering", "done"]


async def claim(pool: Pool, digest: bytes) -> SignatureClaim:
    """Claim a signed message; or learn that another request answers it, or has answered it."""
    if await pool.fetchval(CLAIM, digest, ABANDONED_SECONDS):
        return "claimed"
    return "done" if await pool.fetchval(IS_DONE, digest) else "answering"


async def settle(pool: Pool, digest: bytes) -> None:
    """Record that a claimed message was answered."""
    await pool.execute(SETTLE, digest)


async def release(pool: Pool, digest: bytes) -> None:
    """Release a claim: the message had no effect, and may be delivered again."""
    await pool.execute(RELEASE, digest)


async def delete_old(pool: Pool, seconds: float) -> None:
    """Delete messages that are too old to be accepted anyway."""
    await pool.execute(DELETE_OLD, seconds)
