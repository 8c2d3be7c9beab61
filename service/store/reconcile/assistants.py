"""`callgate.assistant_webhooks`: assistants that carry numbers' webhooks, and their former webhooks.

Several numbers may share an assistant: it has a claim of its own, and is restored with the last.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from service.store.leases import LEASE_SECONDS, holding
from service.store.pool import Pool

CLAIM = """
INSERT INTO callgate.assistant_webhooks AS a (vapi_assistant_id, claim, claimed_until)
VALUES ($1, 1, now() + make_interval(secs => $2))
ON CONFLICT ON CONSTRAINT assistant_webhooks_pkey DO UPDATE SET
    claim = a.claim + 1, claimed_until = excluded.claimed_until
WHERE a.claimed_until IS NULL OR a.claimed_until < now()
RETURNING claim, original
"""

RENEW = """
UPDATE callgate.assistant_webhooks SET claimed_until = now() + make_interval(secs => $3)
WHERE vapi_assistant_id = $1 AND claim = $2 AND claimed_until IS NOT NULL RETURNING true
"""

KEEP_ORIGINAL = """
UPDATE callgate.assistant_webhooks SET original = $3
WHERE vapi_assistant_id = $1 AND claim = $2 AND original IS NULL
"""

UNCLAIM = """
UPDATE callgate.assistant_webhooks SET claimed_until = NULL
WHERE vapi_assistant_id = $1 AND claim = $2
"""

DELETE = """
DELETE FROM callgate.assistant_webhooks WHERE vapi_assistant_id = $1 AND claim = $2
"""

USED_BY_OTHERS = """
SELECT EXISTS (
    SELECT FROM callgate.webhook_states s
    JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
    WHERE $1 = ANY(s.assistant_ids) AND n.released_at IS NULL AND n.id <> $2)
"""


async def claim(pool: Pool, assistant_id: str) -> tuple[int, Mapping[str, Any] | None] | None:
    """Claim an assistant; returns the claim, and the former webhook if it is stored already.

    None while another pass holds it.
    """
    row = await pool.fetchrow(CLAIM, assistant_id, LEASE_SECONDS)
    return None if row is None else (row["claim"], row["original"])


@asynccontextmanager
async def leased(
    pool: Pool, assistant_id: str
) -> AsyncIterator[tuple[int, Mapping[str, Any] | None] | None]:
    """Hold a claim for the block, like `claim`. Raises `LeaseLostError` out of the block."""
    began = asyncio.get_running_loop().time()
    claimed = await claim(pool, assistant_id)
    if claimed is None:
        yield None
        return

    async def renew() -> bool:
        return bool(await pool.fetchval(RENEW, assistant_id, claimed[0], LEASE_SECONDS))

    try:
        async with holding(renew, began):
            yield claimed
    finally:
        await unclaim(pool, assistant_id, claimed[0])


async def keep_original(
    pool: Pool, assistant_id: str, claim: int, original: Mapping[str, Any]
) -> None:
    """Store the former webhook, before our first change."""
    await pool.execute(KEEP_ORIGINAL, assistant_id, claim, dict(original))


async def unclaim(pool: Pool, assistant_id: str, claim: int) -> None:
    """Release a claim."""
    await pool.execute(UNCLAIM, assistant_id, claim)


async def delete(pool: Pool, assistant_id: str, claim: int) -> None:
    """Delete the record of an assistant that carries nothing of ours any more."""
    await pool.execute(DELETE, assistant_id, claim)


async def is_used_by_others(pool: Pool, assistant_id: str, phone_number_id: UUID) -> bool:
    """Whether another registered number needs the webhook on this assistant."""
    return bool(await pool.fetchval(USED_BY_OTHERS, assistant_id, phone_number_id))
