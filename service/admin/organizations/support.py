"""What the role support may do with overrides: set short ones for a bounded total time, and leave an
admin's denial alone."""

from datetime import datetime, timedelta

from policies.entitlements import Override
from service.admin.actor import SUPPORT_OVERRIDE, Actor
from service.domain.errors import ForbiddenError
from service.domain.organizations import Organization
from service.store.organizations import support_overrides as store
from service.store.pool import Connection

WITHIN = timedelta(days=30)
"""The period in which all overrides of support together last `SUPPORT_OVERRIDE` at most."""


async def end_previous(
    connection: Connection, actor: Actor, organization: Organization, now: datetime
) -> None:
    """Before an override is replaced or removed. Raises `ForbiddenError`.

    Support may not replace an override that it may not set, or a short exception could remove a
    permanent one; nor an admin's denial, however short. One that has ended may be replaced.
    """
    previous = organization.override
    if previous is not None and not has_ended(previous, now) and actor.role != "admin":
        actor.require_short(previous.expires_at, now)
        author_role = await store.find_author_role(connection, organization.id)
        if previous.effect == "deny" and author_role != "support":
            raise ForbiddenError(
                f"An admin ({previous.author}) denied access with this override. The role support "
                "cannot replace or remove it: ask an admin."
            )
    await store.end(connection, organization.id, now)


def has_ended(override: Override, now: datetime) -> bool:
    return override.expires_at is not None and override.expires_at <= now


async def begin_new(
    connection: Connection,
    actor: Actor,
    organization: Organization,
    override: Override,
    now: datetime,
) -> None:
    """Before an override is set, after `end_previous`. Raises `ForbiddenError`."""
    actor.require_short(override.expires_at, now)
    if actor.role == "admin":
        return
    assert override.expires_at is not None, "support sets only overrides that expire"
    starts_at = max(override.starts_at or now, now)
    if override.expires_at <= starts_at:
        return
    used = await store.get_sum(connection, organization.id, override.expires_at - WITHIN)
    left = SUPPORT_OVERRIDE - used
    if override.expires_at - starts_at > left:
        raise ForbiddenError(
            "Overrides that support sets for one organization may last 7 days in total within 30 "
            f"days; {describe_rest(left)} of them are left. Choose an earlier end (expires_at), or "
            "ask an admin."
        )
    await store.insert(connection, organization.id, starts_at, override.expires_at)


def describe_rest(left: timedelta) -> str:
    """A duration in whole hours, and in minutes below one."""
    minutes = max(0, int(left.total_seconds() // 60))
    return f"{minutes // 60} hours" if minutes >= 60 else f"{minutes} minutes"
