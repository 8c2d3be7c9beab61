"""The use cases that need the chain of policies, and those of organizations; none of them asks Vapi."""

from functools import cached_property
from typing import Protocol

from service.admin.changes import leave_to_notifications
from service.admin.imports.organization_imports import OrganizationImports
from service.admin.organizations.access import ExplainChain, OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import ListPreview, OrganizationList
from service.admin.policies.policies import PolicyCases, PolicyRooms
from service.admin.stored_cases import StoredCases
from service.settings import Settings
from service.store.pool import Pool
from service.store.vault import open_vault


class Preview(ExplainChain, ListPreview, Protocol):
    """The chain of policies, asked without a call."""


class DecidingRooms(PolicyRooms, Protocol):
    """What these use cases need of the rooms beside this one."""

    @property
    def preview(self) -> Preview: ...


class DecidingCases(StoredCases):
    """Those that need PostgreSQL alone, and these."""

    def __init__(self, settings: Settings, pool: Pool, rooms: DecidingRooms) -> None:
        super().__init__(settings, pool)
        self.rooms = rooms

    @cached_property
    def organizations(self) -> Organizations:
        return Organizations(self.pool, self.rooms.refresh)

    @cached_property
    def organization_list(self) -> OrganizationList:
        return OrganizationList(self.pool, self.rooms.preview)

    @cached_property
    def organization_access(self) -> OrganizationAccess:
        return OrganizationAccess(self.organizations, self.rooms.preview)

    @cached_property
    def organization_imports(self) -> OrganizationImports:
        return OrganizationImports(self.pool, Organizations(self.pool, leave_to_notifications))

    @cached_property
    def policies(self) -> PolicyCases:
        return PolicyCases(self.pool, self.rooms, open_vault(self.settings))
