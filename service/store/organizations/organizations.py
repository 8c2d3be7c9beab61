"""Organizations and their entitlements as rows; names of constraints become domain errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from policies.host.ids import find_uuid
from service.domain.errors import (
    AssistantTakenError,
    BadPeriodError,
    CallgateError,
    ExternalIdTakenError,
    OrganizationHasPhoneNumbersError,
)
from service.domain.organizations import BY_EXTERNAL_ID, Organization
from service.inputs.names import parse_query
from service.store.organizations.directory import entry_of
from service.store.pool import Connection, Pool

COLUMNS = """
SELECT o.id, o.name, o.external_id, o.blocked_message, o.forward_url, o.attributes,
    o.handling, o.blocked_messages, o.time_zone,
    o.relay_secret, o.relay_secret_before, o.relay_secret_before_until,
    o.created_at, o.updated_at,
    p.code, p.status, p.current_period_end, p.grace_period_end, p.cancel_at_period_end, p.limits,
    o.plan_as_of,
    t.starts_at AS trial_starts_at, t.ends_at AS trial_ends_at,
    v.effect, v.reason, v.author, v.starts_at, v.expires_at,
    (SELECT array_agg(a.vapi_assistant_id ORDER BY a.vapi_assistant_id)
        FROM callgate.assistants a WHERE a.organization_id = o.id) AS assistant_ids,
    (SELECT jsonb_object_agg(c.name, jsonb_build_object('mode', c.mode, 'settings', c.settings))
        FROM callgate.organization_policies c WHERE c.organization_id = o.id) AS policies,
    NULL AS numbers
FROM callgate.organizations o
LEFT JOIN callgate.plans p ON p.organization_id = o.id
LEFT JOIN callgate.trials t ON t.organization_id = o.id
LEFT JOIN callgate.overrides v ON v.organization_id = o.id
"""

FIND = COLUMNS + "WHERE o.id = $1"

FIND_MANY = COLUMNS + "WHERE o.id = ANY($1::uuid[])"

FIND_BY_EXTERNAL_ID = COLUMNS + "WHERE o.external_id = $1"

LIST_BY_NAME = COLUMNS + "WHERE o.name = $1 LIMIT 2"

LOCK = "SELECT 1 FROM callgate.organizations WHERE id = $1 FOR UPDATE"

INSERT = """
INSERT INTO callgate.organizations (
    name, external_id, blocked_message, forward_url, attributes, handling, blocked_messages, id,
    time_zone)
VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, gen_random_uuid()), $9) RETURNING id
"""

UPDATE = """
UPDATE callgate.organizations SET name = $2, external_id = $3, blocked_message = $4,
    forward_url = $5, attributes = $6, handling = $7, blocked_messages = $8, time_zone = $9
WHERE id = $1
"""

# Readers see an organization's own fields and its entitlements as one object.
MARK_UPDATED = "UPDATE callgate.organizations SET updated_at = now() WHERE id = $1"

DELETE = "DELETE FROM callgate.organizations WHERE id = $1"

DELETE_ASSISTANTS = """
DELETE FROM callgate.assistants
WHERE organization_id = $1 AND vapi_assistant_id <> ALL($2::text[])
"""

# In order, so that two changes of the same assistants wait for each other without a deadlock.
INSERT_ASSISTANTS = """
INSERT INTO callgate.assistants (organization_id, vapi_assistant_id)
SELECT $1, given FROM unnest($2::text[]) AS given
WHERE NOT EXISTS (
    SELECT FROM callgate.assistants a
    WHERE a.vapi_assistant_id = given AND a.organization_id = $1)
ORDER BY given
"""

# An assistant's owner decides whether the webhook may be put on it or has to be removed.
WAKE_SHADOWED = """
UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id IN (
    SELECT s.phone_number_id FROM callgate.webhook_states s
    JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
    WHERE n.organization_id = $1 AND n.released_at IS NULL
        AND (s.state = 'shadowed' OR s.assistant_ids <> '{}')
    ORDER BY s.phone_number_id FOR UPDATE OF s)
"""


ERRORS: Mapping[str, Callable[[], CallgateError]] = {
    "organizations_external_id_key": ExternalIdTakenError,
    "assistants_pkey": AssistantTakenError,
    "phone_numbers_organization_id_fkey": OrganizationHasPhoneNumbersError,
    "trials_period_check": partial(BadPeriodError, "A trial must begin before it ends."),
    "overrides_period_check": partial(BadPeriodError, "An override must begin before it expires."),
}


def to_domain_error(exc: asyncpg.IntegrityConstraintViolationError) -> Exception:
    """The domain error for a constraint's name; an unknown one is returned unchanged."""
    known = ERRORS.get(getattr(exc, "constraint_name", None) or "")
    return exc if known is None else known()


def organization_of(row: Any) -> Organization:
    """An organization from a row of `COLUMNS`."""
    return replace(
        entry_of(row).organization, created_at=row["created_at"], updated_at=row["updated_at"]
    )


async def find(database: Pool | Connection, organization_id: UUID) -> Organization | None:
    """One organization with its entitlements."""
    row = await database.fetchrow(FIND, organization_id)
    return None if row is None else organization_of(row)


async def find_many(pool: Pool, organization_ids: Sequence[UUID]) -> list[Organization]:
    """Those of these organizations that exist."""
    rows = await pool.fetch(FIND_MANY, list(organization_ids))
    return [organization_of(row) for row in rows]


async def find_by_external_id(database: Pool | Connection, external_id: str) -> Organization | None:
    """One organization by the agency's own id."""
    row = await database.fetchrow(FIND_BY_EXTERNAL_ID, external_id)
    return None if row is None else organization_of(row)


async def find_named(database: Pool | Connection, text: str) -> Organization | None:
    """One organization by its id, external id or exact name, as people paste them; a name that several
    have names none. An external id may be a UUID, and may have the mark before it that it has in the
    API's paths."""
    organization_id = find_uuid(text)
    found = None if organization_id is None else await find(database, organization_id)
    name = parse_query(text)
    external_id = parse_query(name.removeprefix(BY_EXTERNAL_ID))
    found = found or await find_by_external_id(database, external_id)
    named = await database.fetch(LIST_BY_NAME, name) if found is None else ()
    return organization_of(named[0]) if len(named) == 1 else found


async def lock(connection: Connection, organization_id: UUID) -> None:
    """Serialize changes of one organization, so that the audit's `before` is correct."""
    await connection.execute(LOCK, organization_id)


async def insert(connection: Connection, organization: Mapping[str, Any]) -> UUID:
    """Add an organization, with its `id` if it has one; raises `ConflictError`."""
    try:
        found: UUID = await connection.fetchval(
            INSERT,
            organization["name"],
            organization["external_id"],
            organization["blocked_message"],
            organization["forward_url"],
            organization["attributes"],
            organization["handling"],
            organization["blocked_messages"],
            organization.get("id"),
            organization["time_zone"],
        )
        await put_assistants(connection, found, organization["assistant_ids"])
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc
    return found


async def update(
    connection: Connection, organization_id: UUID, organization: Mapping[str, Any]
) -> None:
    """Write all of an organization's own fields; raises `ConflictError`."""
    try:
        await connection.execute(
            UPDATE,
            organization_id,
            organization["name"],
            organization["external_id"],
            organization["blocked_message"],
            organization["forward_url"],
            organization["attributes"],
            organization["handling"],
            organization["blocked_messages"],
            organization["time_zone"],
        )
        await put_assistants(connection, organization_id, organization["assistant_ids"])
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc


async def put_assistants(
    connection: Connection, organization_id: UUID, assistant_ids: Sequence[str]
) -> None:
    """Replace the organization's assistants with these."""
    given = list(dict.fromkeys(assistant_ids))
    await connection.execute(DELETE_ASSISTANTS, organization_id, given)
    await connection.execute(INSERT_ASSISTANTS, organization_id, given)
    await connection.execute(WAKE_SHADOWED, organization_id)


async def mark_updated(connection: Connection, organization_id: UUID) -> None:
    """Note that an organization or its entitlements have changed."""
    await connection.execute(MARK_UPDATED, organization_id)


async def delete(connection: Connection, organization_id: UUID) -> None:
    """Remove an organization; raises `ConflictError` while it has numbers."""
    try:
        await connection.execute(DELETE, organization_id)
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc
