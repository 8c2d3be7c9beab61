"""Missing numbers that Vapi has again under another id: noting them, and linking them anew."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from service.domain.errors import PhoneNumberTakenError
from service.domain.phone_numbers import Order
from service.store.pool import Connection, Pool

ANY_MISSING = "SELECT EXISTS (SELECT FROM callgate.webhook_states WHERE state = 'missing')"

# Only within one organization of Vapi, and only ids that no row here has.
NOTE = """
UPDATE callgate.webhook_states s SET successor_vapi_id = x.vapi_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS x (number, vapi_id, org_id),
    callgate.phone_numbers n
WHERE s.phone_number_id = n.id AND s.state = 'missing' AND n.released_at IS NULL
    AND n.number = x.number AND coalesce(s.vapi_org_id = x.org_id, true)
    AND NOT EXISTS (SELECT FROM callgate.phone_numbers o WHERE o.vapi_phone_number_id = x.vapi_id)
"""

RELINK = """
UPDATE callgate.phone_numbers SET vapi_phone_number_id = $2, updated_at = now() WHERE id = $1
"""

# What was kept of the former id went with it; assistants that carry our webhook are looked at again.
BEGIN_AGAIN = """
UPDATE callgate.webhook_states SET state = 'pending', drift = '[]', original = NULL,
    last_applied = NULL, last_error = NULL, problem = NULL, failures = 0, unbound = NULL,
    ring_on = false, successor_vapi_id = NULL, claim = claim + 1, claimed_until = NULL,
    next_attempt_at = now(), ordered_by = $2, ordered_from = $3, settled_at = now()
WHERE phone_number_id = $1
"""


async def has_missing(pool: Pool) -> bool:
    """Whether any number is missing at Vapi."""
    return bool(await pool.fetchval(ANY_MISSING))


async def note_successors(pool: Pool, found: Sequence[tuple[str, str, str | None]]) -> None:
    """Note numbers at Vapi that no row here has: the number, its id, and its organization at Vapi."""
    numbers, ids, organizations = zip(*found, strict=True)
    await pool.execute(NOTE, list(numbers), list(ids), list(organizations))


async def relink(connection: Connection, phone_number_id: UUID, vapi_id: str, order: Order) -> None:
    """Link a number to another id at Vapi, and make its pass due. Raises `PhoneNumberTakenError`."""
    try:
        await connection.execute(RELINK, phone_number_id, vapi_id)
    except asyncpg.UniqueViolationError as exc:
        raise PhoneNumberTakenError from exc
    await connection.execute(BEGIN_AGAIN, phone_number_id, order.by, order.source)
