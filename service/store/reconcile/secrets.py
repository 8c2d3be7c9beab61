"""`callgate.webhook_secrets`: which secrets Vapi uses, by fingerprint, and which numbers carry them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from service.store.pool import Pool

RECORD_USES = """
INSERT INTO callgate.webhook_secrets (fingerprint) SELECT unnest($1::text[])
ON CONFLICT ON CONSTRAINT webhook_secrets_pkey DO UPDATE SET last_used_at = now()
"""

USES = "SELECT fingerprint, last_used_at, now() AS now FROM callgate.webhook_secrets"

# What Vapi no longer has carries nothing, and never will be repaired.
CARRIED = """
SELECT coalesce(s.last_applied->>'master', s.last_applied->>'secret') AS fingerprint,
    count(*) AS numbers, count(*) FILTER (WHERE s.last_applied->>'master' IS NULL) AS with_master
FROM callgate.webhook_states s JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
WHERE n.released_at IS NULL AND s.state <> 'missing' AND s.last_applied->>'secret' IS NOT NULL
GROUP BY 1
"""


async def record_uses(pool: Pool, fingerprints: Sequence[str]) -> None:
    """Record that these secrets were used now."""
    await pool.execute(RECORD_USES, list(fingerprints))


async def uses(pool: Pool) -> Mapping[str, tuple[datetime, float]]:
    """The time of each secret's last use, and its age in seconds."""
    rows = await pool.fetch(USES)
    return {
        row["fingerprint"]: (
            row["last_used_at"],
            (row["now"] - row["last_used_at"]).total_seconds(),
        )
        for row in rows
    }


async def carried(pool: Pool) -> Mapping[str, tuple[int, int]]:
    """How many numbers at Vapi carry a secret of each master, by what we last wrote to them.

    The second count is of those that carry the master itself.
    """
    rows = await pool.fetch(CARRIED)
    return {row["fingerprint"]: (row["numbers"], row["with_master"]) for row in rows}
