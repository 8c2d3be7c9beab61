"""`callgate.webhook_changes`: every change that we made at Vapi, with before and after.

A change is recorded before it is sent to Vapi, under the claim, so that neither a crash nor a lost
lease leaves a change without a trace. Blocks hold foreign headers: never log them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import Cause, FieldDrift, SyncLevel
from service.domain.reconcile import WebhookClaim
from service.store.pool import Pool

# A pause of everything that began after the claim counts too; it never holds up a release.
BEGIN = """
INSERT INTO callgate.webhook_changes (
    phone_number_id, level, vapi_id, cause, actor, source, fields, before, after)
SELECT s.phone_number_id, $3, $4, $5, $6, $7, $8, $9, $10
FROM callgate.webhook_states s, callgate.reconciliation r
WHERE s.phone_number_id = $1 AND s.claim = $2
    AND ($11 OR $5 IN ('released', 'rolled_back')
        OR r.paused_at IS NULL OR r.paused_until <= now())
RETURNING id
"""

UNDONE = """
FROM callgate.webhook_changes c
WHERE c.phone_number_id = n.id AND c.cause = 'drift' AND c.applied_at IS NOT NULL
    AND c.at > greatest(now() - interval '1 hour', s.settled_at)
"""
"""Of `n`, a phone number, and `s`, the state of its webhook: our repairs within the hour, since an admin
last synced the number. Each was undone if the number drifts again."""

# Undoing all of ours once makes a repair of each object: the most repairs of one of them count.
FIGHTS = f"""
(SELECT coalesce(max(repairs), 0) FROM (
    SELECT count(*) AS repairs {UNDONE} GROUP BY c.vapi_id, c.after ? 'server') AS undone)
"""  # noqa: S608 - constants

CONFIRM = "UPDATE callgate.webhook_changes SET applied_at = now() WHERE id = $1"

COLUMNS = """
SELECT id, phone_number_id, at, level, vapi_id, cause, actor, source, fields, before, after,
    applied_at
FROM callgate.webhook_changes
"""

LIST = COLUMNS + "WHERE phone_number_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"

MOST_COUNTED = 10_000
COUNT = """
SELECT count(*) FROM (
    SELECT FROM callgate.webhook_changes WHERE phone_number_id = $1 LIMIT $2) AS found
"""

FIND = COLUMNS + "WHERE phone_number_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """One change of a number or assistant. `applied_at` is None until Vapi was seen to have it.

    `before` and `after` are the fields that were written, as `server`; `after` has our secret masked.
    """

    id: int
    phone_number_id: UUID
    at: datetime
    level: SyncLevel
    vapi_id: str
    cause: Cause
    actor: str
    source: str
    fields: tuple[FieldDrift, ...]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    applied_at: datetime | None


def change_of(row: Mapping[str, Any]) -> WebhookChange:
    """A change out of a row of `COLUMNS`."""
    fields = tuple(FieldDrift(**entry) for entry in row["fields"])
    return WebhookChange(**{**dict(row), "fields": fields})


async def begin(
    pool: Pool,
    held: WebhookClaim,
    *,
    level: SyncLevel,
    vapi_id: str,
    cause: Cause,
    fields: Sequence[FieldDrift],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    urgent: bool = False,
) -> int | None:
    """Record a change that is about to be made; returns its id.

    None: it must not be made, because the claim is lost or everything was paused meanwhile. A pause of
    everything does not hold up an `urgent` change.
    """
    found: int | None = await pool.fetchval(
        BEGIN,
        held.phone_number_id,
        held.claim,
        level,
        vapi_id,
        cause,
        held.ordered_by or "reconciler",
        held.ordered_from or "system",
        [asdict(entry) for entry in fields],
        dict(before),
        dict(after),
        urgent,
    )
    return found


async def confirm(pool: Pool, change_id: int) -> None:
    """Record that Vapi was seen to have the change."""
    await pool.execute(CONFIRM, change_id)


async def list_page(
    pool: Pool, phone_number_id: UUID, before_id: int | None, limit: int
) -> list[WebhookChange]:
    """A number's changes, newest first."""
    rows = await pool.fetch(LIST, phone_number_id, before_id or 2**62, limit)
    return [change_of(row) for row in rows]


async def count(pool: Pool, phone_number_id: UUID) -> int:
    """How many changes a number has; one more than `MOST_COUNTED` stands for more."""
    found: int = await pool.fetchval(COUNT, phone_number_id, MOST_COUNTED + 1)
    return found


async def find(pool: Pool, phone_number_id: UUID, change_id: int) -> WebhookChange | None:
    """One change of a number."""
    row = await pool.fetchrow(FIND, phone_number_id, change_id)
    return None if row is None else change_of(row)
