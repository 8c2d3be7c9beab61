"""An organization's access told: what holds at an instant, why, until when, and what comes then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from service.domain.access_times import next_change_at
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.wording.access import AccessStory, describe_access

MOST = 6
"""Instants that the entitlements of one organization can have."""


class ExplainChain(Protocol):
    """The chain, asked without a call and without side effects."""

    async def decide(
        self, organization: Organization, *, at: datetime | None = None
    ) -> Decision: ...


class OrganizationReader(Protocol):
    """Where organizations are read."""

    async def get(self, organization_id: UUID) -> Organization: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """From `at` on something else holds."""

    at: datetime
    decision: Decision
    story: AccessStory


@dataclass(frozen=True, slots=True)
class Explained:
    """What holds at `decision.decided_at`, and what will come by itself, in order."""

    decision: Decision
    story: AccessStory
    turns: tuple[Turn, ...]

    @property
    def until(self) -> datetime | None:
        """Since when it no longer holds; None: it holds for good, as far as anybody can tell."""
        return self.turns[0].at if self.turns else None


@dataclass(frozen=True, slots=True)
class OrganizationAccess:
    """What everybody may read."""

    organizations: OrganizationReader
    preview: ExplainChain

    async def explain(self, organization_id: UUID, at: datetime | None = None) -> Explained:
        """The access at `at`, by default now. Raises `NotFoundError`."""
        return await self.explain_stored(await self.organizations.get(organization_id), at)

    async def explain_stored(
        self, organization: Organization, at: datetime | None = None
    ) -> Explained:
        """The same for an organization that is at hand.

        Times that only a plugin's policy knows cannot be foretold.
        """
        decision = await self.preview.decide(organization, at=at)
        turns: list[Turn] = []
        last, instant = decision, next_change_at(organization, decision.decided_at)
        for _ in range(MOST):
            if instant is None:
                break
            then = await self.preview.decide(organization, at=instant)
            if (then.allowed, then.reason) != (last.allowed, last.reason):
                turns.append(Turn(instant, then, describe_access(organization, then)))
                last = then
            instant = next_change_at(organization, instant)
        return Explained(decision, describe_access(organization, decision), tuple(turns))
