"""Use cases for policies: a change and its audit entry are one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from policies.host.registration import RegisteredPolicy
from service.admin.actor import Actor
from service.admin.changes import FRESHEN_SECONDS, Freshen, freshen_all, record, transaction
from service.admin.errors import (
    PolicyAlwaysEnforcedError,
    PolicyNotFoundError,
    PolicySettingsError,
    ShareWithoutShadowError,
)
from service.admin.organizations.organizations import stored
from service.admin.organizations.transfers import check_diversions
from service.admin.policies.own_settings import fit_settings
from service.admin.requests.versions import check_version, version_of
from service.domain.organizations import Organization
from service.domain.policies.choices import GeneralChoice, OwnChoice, PolicyMode
from service.domain.policies.shadow import ShadowReport, ShadowVerdict
from service.store.organizations import organizations
from service.store.policies import choices as store
from service.store.policies import shadow_verdicts
from service.store.policies.shadow_verdicts import Place
from service.store.pool import Connection, Pool
from service.store.vault import Vault

NO_CHOICE = OwnChoice()


class PolicyFinder(Protocol):
    """The chain, as far as it says which policies there are."""

    def find(self, name: str) -> RegisteredPolicy | None:
        """A policy as its plugin declares it."""

    def list_declared(self) -> Sequence[RegisteredPolicy]:
        """All of them, in the order of the chain."""


class PolicyRooms(Protocol):
    """What these use cases need of the rooms beside this one."""

    @property
    def refresh(self) -> Freshen:
        """Brings an organization in this replica's directory up to date."""

    async def refresh_policies(self) -> None:
        """Bring the choices about policies for all organizations in this replica up to date."""

    @property
    def chain(self) -> PolicyFinder: ...


@dataclass(frozen=True, slots=True)
class OwnPolicy:
    """A policy for one organization. `mode` is the one in force, `awake` whether it is asked at all;
    `problem` is why stored settings cannot be used. `declared` None: its plugin is gone."""

    organization_id: UUID
    name: str
    choice: OwnChoice
    mode: PolicyMode
    awake: bool
    declared: RegisteredPolicy | None
    problem: str | None = None

    @property
    def version(self) -> str:
        """The version that a change replaces."""
        return own_version(self.organization_id, self.name, self.choice)


def own_version(organization_id: UUID, name: str, choice: OwnChoice) -> str:
    return version_of({"organization": organization_id, "policy": name, **asdict(choice)})


def general_version(name: str, choice: GeneralChoice) -> str:
    """The version that a change of a policy for all replaces."""
    return version_of({"policy": name, **asdict(choice)})


@dataclass(frozen=True, slots=True)
class PolicyCases:
    """Use cases of admins; every role may read."""

    pool: Pool
    rooms: PolicyRooms
    vault: Vault
    freshen_seconds: float = FRESHEN_SECONDS

    def get_declared(self, name: str) -> RegisteredPolicy:
        """A policy of the chain. Raises `PolicyNotFoundError`."""
        found = self.rooms.chain.find(name)
        if found is None:
            raise PolicyNotFoundError
        return found

    async def get(self, name: str) -> GeneralChoice:
        """What is chosen for all organizations. Raises `PolicyNotFoundError`."""
        self.get_declared(name)
        return await store.find(self.pool, name)

    async def change(self, actor: Actor, name: str, changes: Mapping[str, Any]) -> GeneralChoice:
        """Change the given fields for all organizations; except of the mode, None is the policy's own.

        Raises `PolicyNotFoundError`, `PolicyAlwaysEnforcedError`, `ShareWithoutShadowError`.
        """
        actor.require_admin()
        declared = self.get_declared(name)
        async with transaction(self.pool) as connection:
            await store.lock(connection)
            before = await store.find(connection, name)
            check_version(general_version(name, before))
            after = replace(before, **changes)
            if after.mode != "shadow" and changes.get("share") is None:
                after = replace(after, share=None)
            check_mode(declared, after.mode)
            if after.share is not None and after.mode != "shadow":
                raise ShareWithoutShadowError
            if after != before:
                await store.put(connection, name, after)
                await record(
                    connection,
                    actor,
                    "policy.changed",
                    name,
                    before=asdict(before),
                    after=asdict(after),
                )
        await self.rooms.refresh_policies()
        return after

    async def get_own(self, organization_id: UUID, name: str) -> OwnPolicy:
        """A policy for one organization. Raises `NotFoundError`."""
        organization = await stored(self.pool, organization_id)
        if name not in organization.policies:
            self.get_declared(name)
        return self.describe(organization, name, await store.find(self.pool, name))

    async def list_own(self, organization: Organization) -> list[OwnPolicy]:
        """All policies for an organization, in the order of the chain; then those that are gone."""
        general = await store.read_choices(self.pool)
        names = [one.name for one in self.rooms.chain.list_declared()]
        gone = sorted(set(organization.policies) - set(names))
        return [
            self.describe(organization, name, general.get(name, GeneralChoice()))
            for name in (*names, *gone)
        ]

    def describe(self, organization: Organization, name: str, general: GeneralChoice) -> OwnPolicy:
        """A policy for one organization, with the mode in force."""
        own, declared = organization.policies.get(name), self.rooms.chain.find(name)
        mode = own.mode if own and own.mode else general.mode_for(name, organization.id)
        awake, problem = declared is not None, None
        if declared is not None and own is None and declared.opt_in:
            awake = False
        if declared is not None and declared.settings is not None:
            has_own = own is not None and own.settings is not None
            awake = awake and (has_own or declared.settings.default is not None)
            problem = self.find_problem(declared, own) if has_own else None
        return OwnPolicy(organization.id, name, own or NO_CHOICE, mode, awake, declared, problem)

    def find_problem(self, declared: RegisteredPolicy, own: OwnChoice | None) -> str | None:
        """Why stored settings cannot be used, as after an upgrade of the plugin."""
        settings = (own or NO_CHOICE).settings or {}
        try:
            fit_settings(declared, settings, settings, self.vault)
        except PolicySettingsError as exc:
            return exc.message
        return None

    async def change_own(
        self, actor: Actor, organization_id: UUID, name: str, changes: Mapping[str, Any]
    ) -> OwnPolicy:
        """Change the given fields for one organization; None is as for all.

        Raises `NotFoundError`, `PolicyAlwaysEnforcedError`, `PolicySettingsError`,
        `TransferInCircleError`.
        """
        actor.require_admin()
        declared = self.get_declared(name)
        async with transaction(self.pool) as connection:
            before = await self.lock_own(connection, organization_id, name)
            after = replace(before, **changes)
            if after.mode is not None:
                check_mode(declared, after.mode)
            if "settings" in changes and after.settings is not None:
                fitted = fit_settings(declared, after.settings, before.settings or {}, self.vault)
                await check_diversions(connection, after.settings)
                after = replace(after, settings=fitted)
            await self.put_own(connection, actor, (organization_id, name), (before, after))
        await freshen_all(self.rooms.refresh, [organization_id], self.freshen_seconds)
        return await self.get_own(organization_id, name)

    async def delete_own(self, actor: Actor, organization_id: UUID, name: str) -> OwnPolicy | None:
        """Remove an organization's choice: it is as for all again. None: the policy is gone too.

        Repeating it is no error. Raises `NotFoundError`.
        """
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.lock_own(connection, organization_id, name)
            if before == NO_CHOICE:
                self.get_declared(name)
            change = (before, NO_CHOICE)
            await self.put_own(connection, actor, (organization_id, name), change)
        await freshen_all(self.rooms.refresh, [organization_id], self.freshen_seconds)
        return (
            None
            if self.rooms.chain.find(name) is None
            else await self.get_own(organization_id, name)
        )

    async def lock_own(self, connection: Connection, organization_id: UUID, name: str) -> OwnChoice:
        """An organization's choice, locked. Raises `NotFoundError` and `PreconditionFailedError`."""
        await organizations.lock(connection, organization_id)
        organization = await stored(connection, organization_id)
        before = organization.policies.get(name, NO_CHOICE)
        check_version(own_version(organization_id, name, before))
        return before

    async def put_own(
        self,
        connection: Connection,
        actor: Actor,
        place: tuple[UUID, str],
        change: tuple[OwnChoice, OwnChoice],
    ) -> None:
        """Write the choice of an organization about a policy, and the audit entry, if it changes."""
        (organization_id, name), (before, after) = place, change
        if before == after:
            return
        await store.put_own(connection, organization_id, name, after)
        await organizations.mark_updated(connection, organization_id)
        await record(
            connection,
            actor,
            "organization_policy.changed",
            organization_id,
            before={"policies": {name: dump(before)}},
            after={"policies": {name: dump(after)}},
        )

    async def report(
        self, name: str, since: datetime | None, until: datetime | None
    ) -> ShadowReport:
        """What the policy would have done in shadow. Raises `PolicyNotFoundError`."""
        await self.check_reported(name)
        return await shadow_verdicts.read_report(self.pool, name, since, until)

    async def list_differing(
        self,
        name: str,
        since: datetime | None,
        until: datetime | None,
        *,
        after: Place | None = None,
        limit: int,
    ) -> list[ShadowVerdict]:
        """The calls that would have been decided differently, the latest first."""
        return await shadow_verdicts.list_differing(
            self.pool, name, since, until, after=after, limit=limit
        )

    async def check_reported(self, name: str) -> None:
        """Raise `PolicyNotFoundError` unless the policy is in the chain or left verdicts."""
        if self.rooms.chain.find(name) is None and not await shadow_verdicts.exist_of(
            self.pool, name
        ):
            raise PolicyNotFoundError


def dump(choice: OwnChoice) -> dict[str, Any] | None:
    """An organization's choice as audited."""
    return None if choice == NO_CHOICE else asdict(choice)


def check_mode(declared: RegisteredPolicy, mode: PolicyMode) -> None:
    """Raise `PolicyAlwaysEnforcedError` for a policy of Callgate with a veto."""
    if mode != "enforce" and declared.is_lasting:
        raise PolicyAlwaysEnforcedError
