"""The facts that decide calls as they were at an instant; triggers of the database record them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import PhoneNumber
from service.domain.policies.choices import OwnChoice, OwnChoices
from service.store.organizations.directory import entitlements_of
from service.store.organizations.past_entries import number_of
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

# What the first change after an instant replaced was in force at it.
FIND_OWN_FIELDS = """
SELECT e.before FROM callgate.entitlement_history e
WHERE e.organization_id = $1 AND e.kind = 'organizations' AND e.undoes AND e.at > $2
ORDER BY e.at, e.id LIMIT 1
"""

# The first entry of a kind that is kept is later than the instant, and not the first that was written:
# earlier ones were too old. An entry of an earlier version does not tell whether it is.
FIND_UNKNOWN = """
SELECT left(kinds.kind, -1) AS name FROM callgate.organizations o
CROSS JOIN unnest(ARRAY['plans', 'trials', 'overrides']) AS kinds (kind)
CROSS JOIN LATERAL (
    SELECT e.at, e.undoes AND e.before IS NULL AS begins FROM callgate.entitlement_history e
    WHERE e.organization_id = o.id AND e.kind = kinds.kind ORDER BY e.at, e.id LIMIT 1) AS first
WHERE o.id = $1 AND o.created_at <= $2 AND first.at > $2 AND NOT first.begins
"""

FIND_POLICIES = """
SELECT DISTINCT ON (e.key) e.key, e.before FROM callgate.entitlement_history e
WHERE e.organization_id = $1 AND e.kind = 'organization_policies' AND e.undoes AND e.at > $2
ORDER BY e.key, e.at, e.id
"""

FIND_NUMBER = """
SELECT e.before FROM callgate.entitlement_history e
WHERE e.organization_id = $1 AND e.kind = 'phone_numbers' AND e.undoes AND e.at > $2
    AND $3 IN (e.before ->> 'id', e.value ->> 'id')
ORDER BY e.at, e.id LIMIT 1
"""

DELETE = "DELETE FROM callgate.entitlement_history WHERE organization_id = $1"


async def find_at(pool: Pool, organization_id: UUID, at: datetime) -> dict[str, Any]:
    """The organization's `plan`, `trial` and `override` at `at`, None where it had none; and its name,
    external id and attributes, where they have changed since."""
    row = await pool.fetchrow(FIND, organization_id, at)
    found = (None, None, None) if row is None else entitlements_of(row)
    own = await pool.fetchval(FIND_OWN_FIELDS, organization_id, at) or {}
    return {
        **{name: own[name] for name in ("name", "external_id", "attributes") if name in own},
        **dict(zip(("plan", "trial", "override"), found, strict=True)),
    }


async def find_unknown_at(pool: Pool, organization_id: UUID, at: datetime) -> set[str]:
    """Those of `plan`, `trial` and `override` of which the history does not reach back to `at`."""
    return {row["name"] for row in await pool.fetch(FIND_UNKNOWN, organization_id, at)}


async def find_policies_at(
    pool: Pool, organization_id: UUID, present: OwnChoices, at: datetime
) -> OwnChoices:
    """An organization's choices about policies at `at`, from the present ones."""
    found = dict(present)
    for row in await pool.fetch(FIND_POLICIES, organization_id, at):
        found.pop(row["key"], None)
        if row["before"] is not None:
            found[row["key"]] = OwnChoice(**row["before"])
    return found


async def find_number_at(
    pool: Pool, organization_id: UUID, phone_number_id: UUID, at: datetime
) -> PhoneNumber | None:
    """A number of the organization as it was before its first change since `at`; None: it has not
    changed since, or was not the organization's."""
    row = await pool.fetchval(FIND_NUMBER, organization_id, at, str(phone_number_id))
    return None if row is None else number_of(organization_id, row)


async def delete(connection: Connection, organization_id: UUID) -> None:
    """Remove the history of an organization that was removed."""
    await connection.execute(DELETE, organization_id)
