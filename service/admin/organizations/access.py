"""An organization's access at a time: the decision, its reason, and the upcoming changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from service.domain.access_times import next_change_at
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.wording.access import AccessStory, describe_access

MOST = 6
"""The most times at which one organization's entitlements can change."""


class ExplainChain(Protocol):
    """The chain, asked without a call and without side effects."""

    @property
    def renewal_grace(self) -> timedelta: ...

    async def decide(
        self, organization: Organization, *, at: datetime | None = None
    ) -> Decision: ...


class OrganizationReader(Protocol):
    """Reads organizations."""

    async def get(self, organization_id: UUID) -> Organization: ...

    async def at_time(self, organization: Organization, at: datetime | None) -> Organization: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the decision at `at`."""

    at: datetime
    decision: Decision
    story: AccessStory


@dataclass(frozen=True, slots=True)
class Explained:
    """The decision at `decision.decided_at`, and the upcoming changes in order."""

    decision: Decision
    story: AccessStory
    turns: tuple[Turn, ...]

    @property
    def until(self) -> datetime | None:
        """When the decision ends; None: no change is known."""
        return self.turns[0].at if self.turns else None


@dataclass(frozen=True, slots=True)
class OrganizationAccess:
    """Explains access; every role may."""

    organizations: OrganizationReader
    preview: ExplainChain

    async def explain(self, organization_id: UUID, at: datetime | None = None) -> Explained:
        """The access at `at`, by default now. Raises `NotFoundError`."""
        return await self.explain_stored(await self.organizations.get(organization_id), at)

    async def explain_stored(
        self, organization: Organization, at: datetime | None = None
    ) -> Explained:
        """The same for an organization that was read already.

        A past instant is explained with the entitlements of that time. Changes that only a plugin's
        policy knows are included as far as its verdict says until when it holds.
        """
        organization = await self.organizations.at_time(organization, at)
        decision = await self.preview.decide(organization, at=at)
        turns: list[Turn] = []
        grace = self.preview.renewal_grace
        last, instant = decision, find_next(organization, decision, grace)
        for _ in range(MOST):
            if instant is None:
                break
            then = await self.preview.decide(organization, at=instant)
            if (then.allowed, then.reason) != (last.allowed, last.reason):
                turns.append(Turn(instant, then, describe_access(organization, then, grace)))
                last = then
            instant = find_next(organization, then, grace)
        return Explained(decision, describe_access(organization, decision, grace), tuple(turns))


def find_next(
    organization: Organization, decision: Decision, renewal_grace: timedelta
) -> datetime | None:
    """When the decision may change by itself."""
    ends_at = next_change_at(organization, decision.decided_at, renewal_grace)
    return min(filter(None, (ends_at, decision.until)), default=None)
