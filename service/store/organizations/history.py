"""Plans, trials and overrides as they were at an instant; triggers of the database record them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from service.store.organizations.directory import entitlements_of
from service.store.pool import Connection, Pool

# Records of a missing kind are NULL in every column.
FIND = """
SELECT p.code, p.status, p.current_period_end, p.grace_period_end, p.cancel_at_period_end, p.limits,
    (h.plan ->> 'plan_as_of')::timestamptz AS plan_as_of,
    t.starts_at AS trial_starts_at, t.ends_at AS trial_ends_at,
    v.effect, v.reason, v.author, v.starts_at, v.expires_at
FROM (
    SELECT
        (SELECT e.value FROM callgate.entitlement_history e
            WHERE e.organization_id = $1 AND e.kind = 'plans' AND e.at <= $2
            ORDER BY e.at DESC, e.id DESC LIMIT 1) AS plan,
        (SELECT e.value FROM callgate.entitlement_history e
            WHERE e.organization_id = $1 AND e.kind = 'trials' AND e.at <= $2
            ORDER BY e.at DESC, e.id DESC LIMIT 1) AS trial,
        (SELECT e.value FROM callgate.entitlement_history e
            WHERE e.organization_id = $1 AND e.kind = 'overrides' AND e.at <= $2
            ORDER BY e.at DESC, e.id DESC LIMIT 1) AS override
) h
CROSS JOIN jsonb_populate_record(NULL::callgate.plans, h.plan) p
CROSS JOIN jsonb_populate_record(NULL::callgate.trials, h.trial) t
CROSS JOIN jsonb_populate_record(NULL::callgate.overrides, h.override) v
"""

DELETE = "DELETE FROM callgate.entitlement_history WHERE organization_id = $1"


async def find_at(pool: Pool, organization_id: UUID, at: datetime) -> dict[str, Any]:
    """The organization's `plan`, `trial` and `override` at `at`; None where it had none."""
    row = await pool.fetchrow(FIND, organization_id, at)
    found = (None, None, None) if row is None else entitlements_of(row)
    return dict(zip(("plan", "trial", "override"), found, strict=True))


async def delete(connection: Connection, organization_id: UUID) -> None:
    """Remove the history of an organization that was removed."""
    await connection.execute(DELETE, organization_id)
