"""What a search text names exactly: a call, a number or an organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.ids import find_uuid
from service.inputs.ids import parse_id_query
from service.inputs.phone_numbers import search_digits
from service.store.pool import Pool

MOST_NUMBERS = 20

# What a text may name exactly: a call, a number or an organization, by our id, Vapi's or its own.
RESOLVE = """
SELECT 'call' AS kind, id FROM callgate.calls WHERE vapi_call_id = $1
UNION ALL SELECT 'call', id FROM callgate.calls WHERE id = $2
UNION ALL (SELECT 'number', id FROM callgate.phone_numbers
    WHERE vapi_phone_number_id = $1 OR id = $2 OR number = $3
    ORDER BY released_at IS NULL DESC, created_at DESC LIMIT $4)
UNION ALL SELECT 'organization', id FROM callgate.organizations
    WHERE id = $2 OR external_id = $1
UNION ALL SELECT 'unregistered', id FROM (SELECT id FROM callgate.calls
    WHERE vapi_phone_number_id = $1 AND phone_number_id IS NULL LIMIT 1) AS strangers
"""


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """What a search text names: the kind and the ids."""

    kind: str
    ids: Sequence[UUID]


async def resolve_search(pool: Pool, search: str) -> SearchMatch | None:
    """What a text names: a call before a number before an organization; None if nothing."""
    text = parse_id_query(search)
    digits = search_digits(search)
    number = None if digits is None else f"+{digits}"
    rows = await pool.fetch(RESOLVE, text, find_uuid(text), number, MOST_NUMBERS)
    for kind in ("call", "number", "organization", "unregistered"):
        ids = [row["id"] for row in rows if row["kind"] == kind]
        if ids:
            return SearchMatch(kind, ids)
    return None
