"""Plans, trials and overrides as rows."""

from datetime import datetime
from uuid import UUID

import asyncpg

from policies.entitlements import Override, SubscriptionPlan
from service.domain.instants import find_within
from service.store.organizations.organizations import to_domain_error
from service.store.pool import Connection

PUT_PLAN = """
INSERT INTO callgate.plans (
    organization_id, code, status, current_period_end, grace_period_end, cancel_at_period_end, limits)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (organization_id) DO UPDATE SET code = $2, status = $3, current_period_end = $4,
    grace_period_end = $5, cancel_at_period_end = $6, limits = $7, updated_at = now()
"""

# Kept beside the organization, so that a late event cannot bring a removed plan back.
FIND_AS_OF = "SELECT plan_as_of FROM callgate.organizations WHERE id = $1"

PUT_AS_OF = "UPDATE callgate.organizations SET plan_as_of = $2 WHERE id = $1"

# A trial that is set with an end in the past is over: it began no later than it ended.
PUT_TRIAL = """
INSERT INTO callgate.trials AS t (organization_id, starts_at, ends_at)
VALUES ($1, coalesce($2, least(now(), $3)), $3)
ON CONFLICT (organization_id) DO UPDATE SET starts_at = coalesce($2, least(t.starts_at, $3)),
    ends_at = $3, updated_at = now()
"""

END_TRIAL = """
UPDATE callgate.trials SET starts_at = least(starts_at, now()), ends_at = now(), updated_at = now()
WHERE organization_id = $1 AND ends_at > now()
"""

PUT_OVERRIDE = """
INSERT INTO callgate.overrides (
    organization_id, effect, reason, author, starts_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (organization_id) DO UPDATE SET effect = $2, reason = $3, author = $4,
    starts_at = $5, expires_at = $6, created_at = now()
"""

DELETE_PLAN = "DELETE FROM callgate.plans WHERE organization_id = $1"

DELETE_TRIAL = "DELETE FROM callgate.trials WHERE organization_id = $1"

DELETE_OVERRIDE = "DELETE FROM callgate.overrides WHERE organization_id = $1"


async def find_as_of(connection: Connection, organization_id: UUID) -> datetime | None:
    """When the billing system made the newest plan that was stored, or its removal."""
    return find_within(await connection.fetchval(FIND_AS_OF, organization_id))


async def put_as_of(connection: Connection, organization_id: UUID, as_of: datetime | None) -> None:
    await connection.execute(PUT_AS_OF, organization_id, as_of)


async def put_plan(connection: Connection, organization_id: UUID, plan: SubscriptionPlan) -> None:
    """Set the plan, without its `as_of`."""
    await connection.execute(
        PUT_PLAN,
        organization_id,
        plan.code,
        plan.status,
        plan.current_period_end,
        plan.grace_period_end,
        plan.cancel_at_period_end,
        plan.limits,
    )


async def put_trial(
    connection: Connection, organization_id: UUID, starts_at: datetime | None, ends_at: datetime
) -> None:
    """Set the trial; without `starts_at` it began when it was first set.

    Raises `InvalidError`.
    """
    try:
        await connection.execute(PUT_TRIAL, organization_id, starts_at, ends_at)
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc


async def end_trial(connection: Connection, organization_id: UUID) -> None:
    """End a trial that runs, or has yet to begin, now."""
    await connection.execute(END_TRIAL, organization_id)


async def put_override(connection: Connection, organization_id: UUID, override: Override) -> None:
    """Set the override; raises `InvalidError`."""
    try:
        await connection.execute(
            PUT_OVERRIDE,
            organization_id,
            override.effect,
            override.reason,
            override.author,
            override.starts_at,
            override.expires_at,
        )
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc


async def delete_entitlement(connection: Connection, organization_id: UUID, kind: str) -> None:
    """Remove the plan, trial or override."""
    statements = {"plan": DELETE_PLAN, "trial": DELETE_TRIAL, "override": DELETE_OVERRIDE}
    await connection.execute(statements[kind], organization_id)
