"""Plans, trials and overrides as rows."""

from datetime import datetime
from uuid import UUID

import asyncpg

from policies.contract import Override, SubscriptionPlan
from service.store.organizations.organizations import to_domain_error
from service.store.pool import Connection

PUT_PLAN = """
INSERT INTO callgate.plans (
    organization_id, code, status, current_period_end, grace_period_end)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organization_id) DO UPDATE SET code = $2, status = $3, current_period_end = $4,
    grace_period_end = $5, updated_at = now()
"""

PUT_TRIAL = """
INSERT INTO callgate.trials (organization_id, starts_at, ends_at)
VALUES ($1, coalesce($2, now()), $3)
ON CONFLICT (organization_id) DO UPDATE SET starts_at = coalesce($2, now()), ends_at = $3,
    updated_at = now()
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


async def put_plan(connection: Connection, organization_id: UUID, plan: SubscriptionPlan) -> None:
    await connection.execute(
        PUT_PLAN,
        organization_id,
        plan.code,
        plan.status,
        plan.current_period_end,
        plan.grace_period_end,
    )


async def put_trial(
    connection: Connection, organization_id: UUID, starts_at: datetime | None, ends_at: datetime
) -> None:
    """Set the trial; without `starts_at` it begins now. Raises `InvalidError`."""
    try:
        await connection.execute(PUT_TRIAL, organization_id, starts_at, ends_at)
    except asyncpg.IntegrityConstraintViolationError as exc:
        raise to_domain_error(exc) from exc


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
