"""Registered phone numbers as rows, together with the state of their webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from service.domain.errors import PhoneNumberTakenError, UnknownOrganizationError
from service.domain.phone_numbers import Conditions, Order, PhoneNumber, SyncState
from service.store.phone_numbers.unanswered import UNANSWERED
from service.store.pool import Connection, Pool
from service.store.reconcile.state import pause_of
from service.store.reconcile.states import sync_of

CONDITIONS = {
    SyncState.IN_SYNC: (True, True),
    SyncState.SHADOWED: (True, False),
    SyncState.DRIFTED: (False, None),
    SyncState.MISSING: (False, None),
}

COLUMNS = f"""
SELECT n.id, n.organization_id, n.vapi_phone_number_id, n.number, n.label, n.gate, n.answer_with,
    n.created_at, n.updated_at, s.state, s.level, s.drift, s.last_checked_at, s.last_error,
    s.next_attempt_at, s.paused_at, s.paused_by, s.paused_reason, s.paused_until,
    (s.paused_at IS NOT NULL AND (s.paused_until IS NULL OR s.paused_until > now())) AS paused,
    (SELECT max(c.created_at) FROM callgate.calls c WHERE c.phone_number_id = n.id)
        AS last_event_at, coalesce((s.original ->> 'hidden_secret')::boolean, false) AS secret_lost,
    CASE WHEN s.state = 'missing' THEN s.successor_vapi_id END AS successor_vapi_id,
    {UNANSWERED} AS unanswered
FROM callgate.phone_numbers n
JOIN callgate.webhook_states s ON s.phone_number_id = n.id
WHERE n.released_at IS NULL
"""  # noqa: S608 - constants

FIND = COLUMNS + "AND n.id = $1"

FIND_BY_VAPI_ID = COLUMNS + "AND n.vapi_phone_number_id = $1"

# A number that is being released is taken over, with the webhook that was at Vapi before ours.
INSERT = """
INSERT INTO callgate.phone_numbers AS n (
    organization_id, vapi_phone_number_id, number, label, gate, answer_with)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT ON CONSTRAINT phone_numbers_vapi_phone_number_id_key DO UPDATE SET
    organization_id = excluded.organization_id, number = coalesce(excluded.number, n.number),
    label = excluded.label, gate = excluded.gate, answer_with = excluded.answer_with,
    released_at = NULL, created_at = now(), updated_at = now()
WHERE n.released_at IS NOT NULL
RETURNING id
"""

# A pause stays: a paused number waits for its end.
MAKE_DUE = """
INSERT INTO callgate.webhook_states (phone_number_id, ordered_by, ordered_from)
VALUES ($1, $2, $3)
ON CONFLICT (phone_number_id) DO UPDATE SET state = 'pending', drift = '[]', last_error = NULL,
    problem = NULL, failures = 0, next_attempt_at = now(),
    ordered_by = excluded.ordered_by, ordered_from = excluded.ordered_from, settled_at = now()
"""

# A pause does not pass to a new owner.
UNPAUSE = """
UPDATE callgate.webhook_states
SET paused_at = NULL, paused_by = NULL, paused_reason = NULL, paused_until = NULL
WHERE phone_number_id = $1
"""

# Another pass follows one under way, which began before the order.
ORDER = """
UPDATE callgate.webhook_states SET ordered_by = $2, ordered_from = $3, settled_at = now(),
    wakes = wakes + 1
WHERE phone_number_id = $1
"""

GO_ON = "UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id = $1"

FIND_LABELS = """
SELECT id, coalesce(label, number, vapi_phone_number_id) AS name FROM callgate.phone_numbers
WHERE id = ANY($1::uuid[])
"""

LOCK = "SELECT 1 FROM callgate.phone_numbers WHERE id = $1 FOR UPDATE"

UPDATE = """
UPDATE callgate.phone_numbers SET organization_id = $2, label = $3, gate = $4, answer_with = $5,
    updated_at = now()
WHERE id = $1
"""

RELEASE = """
UPDATE callgate.phone_numbers SET released_at = now(), organization_id = NULL, updated_at = now()
WHERE id = $1
"""


def conditions_of(row: Mapping[str, Any]) -> Conditions:
    """Both conditions as far as the state implies them; None where it does not."""
    configured, unshadowed = CONDITIONS.get(SyncState(row["state"]), (None, None))
    return Conditions(configured, unshadowed, row["last_event_at"])


def phone_number_of(row: Any) -> PhoneNumber:
    """A phone number from a row of `COLUMNS`."""
    return PhoneNumber(
        id=row["id"],
        organization_id=row["organization_id"],
        vapi_phone_number_id=row["vapi_phone_number_id"],
        number=row["number"],
        label=row["label"],
        gate=row["gate"],
        answer_with=row["answer_with"],
        sync=sync_of(row),
        pause=pause_of(row),
        conditions=conditions_of(row),
        secret_lost=row["secret_lost"],
        successor_vapi_id=row["successor_vapi_id"],
        unanswered=row["unanswered"],
        paused_at=row["paused_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def find(database: Pool | Connection, phone_number_id: UUID) -> PhoneNumber | None:
    """One registered number."""
    row = await database.fetchrow(FIND, phone_number_id)
    return None if row is None else phone_number_of(row)


async def find_by_vapi_id(database: Pool | Connection, vapi_id: str) -> PhoneNumber | None:
    """One registered number by its id at Vapi."""
    row = await database.fetchrow(FIND_BY_VAPI_ID, vapi_id)
    return None if row is None else phone_number_of(row)


async def find_labels(pool: Pool, ids: Sequence[UUID]) -> dict[str, str]:
    """The names of these numbers, by id."""
    rows = await pool.fetch(FIND_LABELS, list(ids))
    return {str(row["id"]): row["name"] for row in rows}


async def lock(connection: Connection, phone_number_id: UUID) -> None:
    """Serialize changes of one number, so that none overwrites another."""
    await connection.execute(LOCK, phone_number_id)


async def insert(connection: Connection, number: Mapping[str, Any], order: Order) -> UUID:
    """Register a number and make its reconcile pass due; raises `ConflictError` if taken."""
    try:
        found: UUID | None = await connection.fetchval(
            INSERT,
            number["organization_id"],
            number["vapi_phone_number_id"],
            number["number"],
            number["label"],
            number["gate"],
            number["answer_with"],
        )
    except asyncpg.ForeignKeyViolationError as exc:
        raise UnknownOrganizationError from exc
    if found is None:
        raise PhoneNumberTakenError
    await make_due(connection, found, order)
    await connection.execute(UNPAUSE, found)
    return found


async def update(connection: Connection, phone_number_id: UUID, number: Mapping[str, Any]) -> None:
    """Write what an admin may change; raises `InvalidError` for an unknown organization."""
    try:
        await connection.execute(
            UPDATE,
            phone_number_id,
            number["organization_id"],
            number["label"],
            number["gate"],
            number["answer_with"],
        )
    except asyncpg.ForeignKeyViolationError as exc:
        raise UnknownOrganizationError from exc


async def make_due(connection: Connection, phone_number_id: UUID, order: Order) -> None:
    """Make the number's next pass due now, on the order of an actor."""
    await connection.execute(MAKE_DUE, phone_number_id, order.by, order.source)


async def allow_write(connection: Connection, phone_number_id: UUID, order: Order) -> None:
    """Let the next pass change Vapi, on the order of an actor."""
    await connection.execute(ORDER, phone_number_id, order.by, order.source)


async def go_on(pool: Pool, phone_number_id: UUID) -> None:
    """Leave a pass that a request did not finish to the loop."""
    await pool.execute(GO_ON, phone_number_id)


async def release(connection: Connection, phone_number_id: UUID, order: Order) -> None:
    """Release a number; its row stays, hidden, until its previous webhook is restored."""
    await connection.execute(RELEASE, phone_number_id)
    await make_due(connection, phone_number_id, order)
