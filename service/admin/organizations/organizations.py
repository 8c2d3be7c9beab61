"""Use cases for organizations: a change and its audit entry are one transaction."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from policies.entitlements import Override, SubscriptionPlan, Trial
from service.admin.actor import Actor
from service.admin.changes import FRESHEN_SECONDS, Freshen, freshen_all, record, transaction
from service.admin.organizations import support
from service.admin.organizations.removal import check_removal
from service.admin.organizations.stale import check_as_of
from service.admin.organizations.transfers import check_transfer
from service.admin.requests.versions import check_version, version_of
from service.domain.errors import OrganizationNotFoundError, PhoneNumberNotFoundError
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.domain.texts import MOST_CHARACTERS
from service.store.clock import get_now
from service.store.organizations import entitlements, history, support_overrides
from service.store.organizations import organizations as store
from service.store.phone_numbers import phone_numbers
from service.store.pool import Connection, Pool

OWN_FIELDS = (
    "name",
    "external_id",
    "blocked_message",
    "forward_url",
    "attributes",
    "assistant_ids",
    "handling",
    "blocked_messages",
    "time_zone",
)

CHOICES: Mapping[str, Any] = {"handling": {}, "blocked_messages": [], "time_zone": None}
"""The choices of a new organization."""

Entitlement = Literal["plan", "trial", "override"]

MergePlan = Callable[[SubscriptionPlan | None], SubscriptionPlan]
"""Makes a plan of the stored one."""


@dataclass(slots=True)
class OrganizationChange:
    """A change in progress: the organization before and, once it is made, after."""

    connection: Connection
    before: Organization
    result: Organization | None = None

    @property
    def after(self) -> Organization:
        assert self.result is not None
        return self.result


def own_fields(organization: Organization) -> dict[str, Any]:
    """The fields that an admin sets, as stored and audited."""
    values = {name: getattr(organization, name) for name in OWN_FIELDS}
    return {
        **values,
        "assistant_ids": list(organization.assistant_ids),
        "handling": organization.handling.stored(),
        "blocked_messages": [asdict(message) for message in organization.blocked_messages],
    }


def dump(value: SubscriptionPlan | Trial | Override | None) -> dict[str, Any] | None:
    """An entitlement as audited."""
    return None if value is None else asdict(value)


def audited(organization: Organization) -> dict[str, Any]:
    """Everything of an organization that can change, as audited."""
    return {
        **own_fields(organization),
        "plan": dump(organization.plan),
        "trial": dump(organization.trial),
        "override": dump(organization.override),
    }


def organization_version(organization: Organization) -> str:
    """The version that a change replaces. Each new secret of the relay sets another end of the former
    one; the sealed secrets themselves change by themselves when keys are rotated."""
    former = organization.former_relay_secret_until
    return version_of({"id": organization.id, "former_secret": former, **audited(organization)})


@dataclass(frozen=True, slots=True)
class Organizations:
    """Use cases of admins for organizations."""

    pool: Pool
    freshen: Freshen
    freshen_seconds: float = FRESHEN_SECONDS

    async def get(self, organization_id: UUID) -> Organization:
        """One organization; raises `NotFoundError`."""
        return await stored(self.pool, organization_id)

    async def find_id(self, external_id: str) -> UUID:
        """The id of the organization with this external id; raises `NotFoundError`."""
        usable = "\x00" not in external_id and len(external_id) <= MOST_CHARACTERS
        found = await store.find_by_external_id(self.pool, external_id) if usable else None
        if found is None:
            raise OrganizationNotFoundError
        return found.id

    async def now(self) -> datetime:
        """The database's time, by which access is decided."""
        return await get_now(self.pool)

    async def at_time(self, organization: Organization, at: datetime | None) -> Organization:
        """An organization with the facts that policies saw of it at a past instant.

        For the present and the future, its present ones.
        """
        if at is None or at >= await self.now():
            return organization
        pool, owner = self.pool, organization.id
        policies = await history.find_policies_at(pool, owner, organization.policies, at)
        return replace(organization, **await history.find_at(pool, owner, at), policies=policies)

    async def find_unknown(self, organization_id: UUID, at: datetime) -> set[str]:
        """Those of `plan`, `trial` and `override` of which the history does not reach back to `at`."""
        return await history.find_unknown_at(self.pool, organization_id, at)

    async def find_number(
        self, organization_id: UUID, phone_number_id: UUID, at: datetime | None
    ) -> PhoneNumber:
        """A number of the organization as it was at an instant, else as it is.

        Raises `PhoneNumberNotFoundError`.
        """
        if at is not None and at < await self.now():
            then = await history.find_number_at(self.pool, organization_id, phone_number_id, at)
            if then is not None:
                return then
        number = await phone_numbers.find(self.pool, phone_number_id)
        if number is None or number.organization_id != organization_id:
            raise PhoneNumberNotFoundError(
                "The organization has no phone number with this id. Give the id that Callgate lists, "
                "not the one at Vapi."
            )
        return number

    async def create(self, actor: Actor, values: Mapping[str, Any]) -> Organization:
        """Add an organization; raises `ConflictError`, `TransferInCircleError`."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await check_transfer(connection, values)
            organization_id = await store.insert(connection, {**CHOICES, **values})
            created = await stored(connection, organization_id)
            await record(
                connection,
                actor,
                "organization.created",
                organization_id,
                after=own_fields(created),
            )
        await freshen_all(self.freshen, [organization_id], self.freshen_seconds)
        return created

    async def change(
        self, actor: Actor, organization_id: UUID, changes: Mapping[str, Any]
    ) -> Organization:
        """Change the given fields, and of `handling` the given choices, only.

        Raises `ConflictError`, `TransferInCircleError`.
        """
        actor.require_admin()
        async with self.changing(actor, organization_id, "organization.changed") as change:
            await check_transfer(change.connection, changes)
            before = own_fields(change.before)
            values = {**before, **changes}
            values["handling"] = {**before["handling"], **changes.get("handling", {})}
            await store.update(change.connection, organization_id, values)
        return change.after

    async def delete(self, actor: Actor, organization_id: UUID) -> None:
        """Remove an organization; raises `ConflictError` while it has phone numbers."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "organization.deleted") as change:
            check_removal(actor, change.before)
            await store.delete(change.connection, organization_id)
            await history.delete(change.connection, organization_id)

    async def put_plan(
        self, actor: Actor, organization_id: UUID, plan: SubscriptionPlan | MergePlan
    ) -> Organization:
        """Set the subscription plan, or what a function makes of it. Raises `StaleChangeError`."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "plan.put") as change:
            made = plan(change.before.plan) if callable(plan) else plan
            await check_as_of(actor, change.connection, organization_id, made.as_of)
            await entitlements.put_plan(change.connection, organization_id, made)
        return change.after

    async def put_trial(
        self, actor: Actor, organization_id: UUID, starts_at: datetime | None, ends_at: datetime
    ) -> Organization:
        """Set the trial; without `starts_at` it began when it was first set.

        Raises `InvalidError`.
        """
        actor.require_admin()
        async with self.changing(actor, organization_id, "trial.put") as change:
            await entitlements.put_trial(change.connection, organization_id, starts_at, ends_at)
        return change.after

    async def end_trial(self, actor: Actor, organization_id: UUID) -> Organization:
        """End the trial now; one that is over stays as it is."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "trial.put") as change:
            await entitlements.end_trial(change.connection, organization_id)
        return change.after

    async def put_override(
        self, actor: Actor, organization_id: UUID, override: Override
    ) -> Organization:
        """Set the override; raises `InvalidError`, or `ForbiddenError` beyond support's bounds."""
        actor.require_support()
        async with self.changing(actor, organization_id, "override.put") as change:
            connection, before = change.connection, change.before
            now = await get_now(connection)
            await support.end_previous(connection, actor, before, now)
            await support.begin_new(connection, actor, before, override, now)
            await entitlements.put_override(connection, organization_id, override)
            await support_overrides.set_author_role(connection, organization_id, actor.role)
        return change.after

    async def delete_entitlement(
        self,
        actor: Actor,
        organization_id: UUID,
        kind: Entitlement,
        as_of: datetime | None = None,
    ) -> Organization:
        """Remove the plan, trial or override; repeating it is no error.

        `as_of` is when the billing system removed the plan. Raises `StaleChangeError`.
        """
        if kind == "override":
            actor.require_support()
        else:
            actor.require_admin()
        async with self.changing(actor, organization_id, f"{kind}.deleted") as change:
            if kind == "override":
                now = await get_now(change.connection)
                await support.end_previous(change.connection, actor, change.before, now)
            if kind == "plan":
                await check_as_of(actor, change.connection, organization_id, as_of, removes=True)
            await entitlements.delete_entitlement(change.connection, organization_id, kind)
        return change.after

    @asynccontextmanager
    async def changing(
        self, actor: Actor, organization_id: UUID, action: str
    ) -> AsyncIterator[OrganizationChange]:
        """One transaction around a change. Only fields that differ are audited.

        Raises `NotFoundError` or `PreconditionFailedError`.
        """
        async with transaction(self.pool) as connection:
            await store.lock(connection, organization_id)
            change = OrganizationChange(connection, await stored(connection, organization_id))
            check_version(organization_version(change.before))
            yield change
            before = audited(change.before)
            found = await store.find(connection, organization_id)
            after = None if found is None else audited(found)
            differing = [name for name in before if after is None or before[name] != after[name]]
            if differing:
                await store.mark_updated(connection, organization_id)
                await record(
                    connection,
                    actor,
                    action,
                    organization_id,
                    before={name: before[name] for name in differing},
                    after=None if after is None else {name: after[name] for name in differing},
                )
            change.result = await store.find(connection, organization_id)
        if differing:
            await freshen_all(self.freshen, [organization_id], self.freshen_seconds)


async def stored(database: Pool | Connection, organization_id: UUID) -> Organization:
    found = await store.find(database, organization_id)
    if found is None:
        raise OrganizationNotFoundError
    return found
