"""Set-based look-ups for imports: many registered numbers, or organizations, in one query."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from policies.host.ids import find_uuid
from service.domain.organizations import BY_EXTERNAL_ID
from service.domain.phone_numbers import NumberGate
from service.store.pool import Connection, Pool

NUMBERS = """
SELECT n.vapi_phone_number_id, n.id, n.organization_id, n.label, n.gate
FROM callgate.phone_numbers n
JOIN unnest($1::text[]) AS given(id) ON n.vapi_phone_number_id = given.id
WHERE n.released_at IS NULL
"""

# One branch for each index.
ORGANIZATIONS = """
SELECT o.id, o.external_id, o.name FROM callgate.organizations o
WHERE o.id = ANY($1::uuid[])
UNION
SELECT o.id, o.external_id, o.name FROM callgate.organizations o
JOIN unnest($2::text[]) AS given(word) ON o.external_id = given.word
UNION
SELECT o.id, o.external_id, o.name FROM callgate.organizations o
JOIN unnest($2::text[]) AS given(word) ON lower(o.name) = lower(given.word) AND o.name = given.word
"""

PENDING = """
SELECT count(*) FROM callgate.webhook_states
WHERE phone_number_id = ANY($1::uuid[]) AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class RegisteredNumber:
    """A registered number, as an import compares with it."""

    id: UUID
    organization_id: UUID
    label: str | None
    gate: NumberGate


@dataclass(frozen=True, slots=True)
class NamedOrganization:
    """The three ways to name an organization."""

    id: UUID
    external_id: str | None
    name: str


async def find_numbers(
    database: Pool | Connection, vapi_ids: Iterable[str]
) -> dict[str, RegisteredNumber]:
    """The registered ones of these numbers, by their id at Vapi."""
    rows = await database.fetch(NUMBERS, list(set(vapi_ids)))
    return {
        row["vapi_phone_number_id"]: RegisteredNumber(
            row["id"], row["organization_id"], row["label"], row["gate"]
        )
        for row in rows
    }


async def find_organizations(
    database: Pool | Connection, words: Iterable[str]
) -> list[NamedOrganization]:
    """Every organization whose id, external id or exact name is one of the words. An external id may
    have the mark before it that it has in the API's paths."""
    given = list({word.removeprefix(BY_EXTERNAL_ID) for word in words} | set(words))
    ids = [found for found in map(find_uuid, given) if found is not None]
    rows = await database.fetch(ORGANIZATIONS, ids, given)
    return [NamedOrganization(row["id"], row["external_id"], row["name"]) for row in rows]


async def count_pending(database: Pool | Connection, phone_number_ids: Iterable[UUID]) -> int:
    """How many of these numbers wait for their next reconcile pass."""
    found: int = await database.fetchval(PENDING, list(phone_number_ids))
    return found
