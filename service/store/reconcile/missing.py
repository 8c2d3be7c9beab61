"""Registered numbers that Vapi does not have: found by a sweep, or while one number was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.sweeps import MissingNumber, missing_number
from service.store.pool import Pool

# Known to be missing, and on no page of this sweep either.
LIST = """
SELECT n.id, n.number, n.label, n.vapi_phone_number_id, o.name AS organization,
    s.successor_vapi_id IS NOT NULL AS is_back
FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
LEFT JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL AND s.state = 'missing' AND s.seen_sweep < $1
ORDER BY coalesce(n.label, n.number, n.vapi_phone_number_id), n.id
"""

FIND = """
SELECT n.id, n.vapi_phone_number_id, s.claim FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
WHERE n.id = ANY($1::uuid[]) AND n.released_at IS NULL
ORDER BY array_position($1::uuid[], n.id)
"""

# Only if no pass has worked on the number since it was read.
RECORD = """
UPDATE callgate.webhook_states SET state = 'missing', drift = '[]', last_error = $3,
    problem = 'missing', last_checked_at = now()
WHERE phone_number_id = $1 AND claim = $2 AND (claimed_until IS NULL OR claimed_until < now())
"""

NOT_KNOWN = """
SELECT n.id FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
WHERE n.vapi_phone_number_id = $1 AND n.released_at IS NULL AND s.state <> 'missing'
"""


@dataclass(frozen=True, slots=True)
class UnlistedNumber:
    """A registered number on no page of Vapi's list, and the fencing token as of now."""

    id: UUID
    vapi_phone_number_id: str
    claim: int


async def list_missing(pool: Pool, sweep_id: int) -> list[MissingNumber]:
    """The numbers that Vapi does not have, as of a sweep, by name."""
    return [missing_number(**dict(row)) for row in await pool.fetch(LIST, sweep_id)]


async def find_unlisted(pool: Pool, ids: Sequence[UUID]) -> list[UnlistedNumber]:
    """These numbers, in the same order."""
    return [UnlistedNumber(**dict(row)) for row in await pool.fetch(FIND, list(ids))]


async def record_missing(pool: Pool, number: UnlistedNumber, error: str) -> None:
    """Record that Vapi does not have a number."""
    await pool.execute(RECORD, number.id, number.claim, error)


async def find_not_known(pool: Pool, vapi_phone_number_id: str) -> UUID | None:
    """The registered number with this id at Vapi, unless it is known to be missing."""
    found: UUID | None = await pool.fetchval(NOT_KNOWN, vapi_phone_number_id)
    return found
