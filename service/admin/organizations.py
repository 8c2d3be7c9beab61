"""Use cases around organizations: each change is rows and audit in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog

from policies.contract import Override, SubscriptionPlan, Trial
from service.admin.actor import Actor
from service.domain.decisions import Decision
from service.domain.errors import NotFoundError
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store import organizations as store
from service.store import phone_numbers
from service.store.audit import record_audit
from service.store.pool import Connection, Pool

Freshen = Callable[[UUID], Awaitable[None]]
"""Lets this replica's access directory read an organization again, after a commit."""

OWN_FIELDS = (
    "name",
    "external_id",
    "blocked_message",
    "forward_url",
    "attributes",
    "assistant_ids",
)

log = structlog.get_logger()


class AccessPreview(Protocol):
    """The chain, asked without a call and without side effects."""

    async def decide(
        self,
        organization: Organization,
        *,
        at: datetime | None = None,
        phone_number: PhoneNumber | None = None,
    ) -> Decision: ...


def organization_not_found() -> NotFoundError:
    return NotFoundError("There is no such organization.", code="organization_not_found")


def own_fields(organization: Organization) -> dict[str, Any]:
    """The fields that an admin sets, as they are kept and audited."""
    values = {name: getattr(organization, name) for name in OWN_FIELDS}
    return {**values, "assistant_ids": list(organization.assistant_ids)}


def dump(value: SubscriptionPlan | Trial | Override | None) -> dict[str, Any] | None:
    """An entitlement as the audit keeps it."""
    return None if value is None else asdict(value)


@dataclass(frozen=True, slots=True)
class Organizations:
    """What admins do with organizations."""

    pool: Pool
    freshen: Freshen
    preview: AccessPreview

    async def get(self, organization_id: UUID) -> Organization:
        """One organization; raises `NotFoundError`."""
        found = await store.find(self.pool, organization_id)
        if found is None:
            raise organization_not_found()
        return found

    async def list_page(
        self,
        *,
        query: str | None,
        allowed: bool | None,
        after: tuple[str, UUID] | None,
        limit: int,
    ) -> list[tuple[Organization, Decision]]:
        """Organizations by name with their access now.

        `allowed` is no column: the chain says it, so pages are read until enough are found.
        """
        found: list[tuple[Organization, Decision]] = []
        while len(found) < limit:
            size = limit - len(found) if allowed is None else max(limit, 100)
            page = await store.list_page(self.pool, query=query, after=after, limit=size)
            for organization in page:
                decision = await self.preview.decide(organization)
                if allowed in (None, decision.allowed):
                    found.append((organization, decision))
            if len(page) < size:
                break
            after = (page[-1].name.lower(), page[-1].id)
            await asyncio.sleep(0)
        return found[:limit]

    async def access(
        self, organization_id: UUID, *, at: datetime | None, phone_number_id: UUID | None
    ) -> Decision:
        """What the chain says about an organization now or at another instant, and why."""
        organization = await self.get(organization_id)
        number = None
        if phone_number_id is not None:
            number = await phone_numbers.find(self.pool, phone_number_id)
            if number is None or number.organization_id != organization_id:
                raise NotFoundError(
                    "The organization has no such phone number.", code="phone_number_not_found"
                )
        return await self.preview.decide(organization, at=at, phone_number=number)

    async def create(self, actor: Actor, values: Mapping[str, Any]) -> Organization:
        """Add an organization."""
        actor.require_admin()
        async with self.pool.acquire() as connection, connection.transaction():
            organization_id = await store.insert(connection, values)
            created = await self.stored(connection, organization_id)
            await record_audit(
                connection,
                actor=actor.name,
                source=actor.source,
                action="organization.created",
                object_type="organization",
                object_id=organization_id,
                after=own_fields(created),
            )
        await self.freshen(organization_id)
        return created

    async def change(
        self, actor: Actor, organization_id: UUID, changes: Mapping[str, Any]
    ) -> Organization:
        """Change the given fields only."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "organization.changed") as connection:
            before = await self.stored(connection, organization_id)
            await store.update(connection, organization_id, {**own_fields(before), **changes})
        return await self.get(organization_id)

    async def delete(self, actor: Actor, organization_id: UUID) -> None:
        """Remove an organization that has no phone numbers left."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "organization.deleted") as connection:
            await store.delete(connection, organization_id)

    async def put_plan(
        self, actor: Actor, organization_id: UUID, plan: SubscriptionPlan
    ) -> Organization:
        """Set the subscription plan."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "plan.put") as connection:
            await store.put_plan(connection, organization_id, plan)
        return await self.get(organization_id)

    async def put_trial(
        self, actor: Actor, organization_id: UUID, starts_at: datetime | None, ends_at: datetime
    ) -> Organization:
        """Set the trial; it begins now unless told otherwise."""
        actor.require_admin()
        async with self.changing(actor, organization_id, "trial.put") as connection:
            await store.put_trial(connection, organization_id, starts_at, ends_at)
        return await self.get(organization_id)

    async def put_override(
        self, actor: Actor, organization_id: UUID, override: Override
    ) -> Organization:
        """Set the override; its author is the actor."""
        actor.require_override(override.expires_at, await store.now(self.pool))
        async with self.changing(actor, organization_id, "override.put") as connection:
            await store.put_override(connection, organization_id, override)
        return await self.get(organization_id)

    async def delete_entitlement(
        self, actor: Actor, organization_id: UUID, kind: str
    ) -> Organization:
        """Take the plan, trial or override away; doing it twice is no error."""
        if kind == "override" and actor.role == "support":
            now = await store.now(self.pool)
            current = (await self.get(organization_id)).override
            actor.require_override(current.expires_at if current else now, now)
        else:
            actor.require_admin()
        async with self.changing(actor, organization_id, f"{kind}.deleted") as connection:
            await store.delete_entitlement(connection, organization_id, kind)
        return await self.get(organization_id)

    async def stored(self, connection: Connection, organization_id: UUID) -> Organization:
        found = await store.find(connection, organization_id)
        if found is None:
            raise organization_not_found()
        return found

    @asynccontextmanager
    async def changing(
        self, actor: Actor, organization_id: UUID, action: str
    ) -> AsyncIterator[Connection]:
        """One transaction around a change, with what was before and after in the audit."""
        async with self.pool.acquire() as connection, connection.transaction():
            await store.lock(connection, organization_id)
            before = audited(await self.stored(connection, organization_id))
            yield connection
            found = await store.find(connection, organization_id)
            after = None if found is None else audited(found)
            changed = {name for name in before if after is None or before[name] != after[name]}
            await record_audit(
                connection,
                actor=actor.name,
                source=actor.source,
                action=action,
                object_type="organization",
                object_id=organization_id,
                before={name: before[name] for name in before if name in changed},
                after=after and {name: after[name] for name in after if name in changed},
            )
        await self.freshen(organization_id)


def audited(organization: Organization) -> dict[str, Any]:
    """All of an organization that can change, as the audit shows it."""
    return {
        **own_fields(organization),
        "plan": dump(organization.plan),
        "trial": dump(organization.trial),
        "override": dump(organization.override),
    }
