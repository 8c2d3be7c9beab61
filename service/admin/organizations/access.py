"""An organization's access at a time, with supposed facts if wanted: the decision, its reason, and the
upcoming changes. Nothing is changed or recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from policies.contract import CallFacts, Purpose
from service.admin.organizations.what_if import SupposedTrial, WhatIf, begin_trial, check_override
from service.domain.access_times import next_change_at
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.domain.wording.access import AccessStory, describe_access

MOST = 6
"""The most times at which one organization's entitlements can change."""


class ExplainChain(Protocol):
    """The chain, asked without side effects; `call` is a supposed one."""

    @property
    def renewal_grace(self) -> timedelta: ...

    async def decide(
        self,
        organization: Organization,
        *,
        at: datetime | None = None,
        phone_number: PhoneNumber | None = None,
        call: CallFacts | None = None,
        with_shadows: bool = False,
        purpose: Purpose = "preview",
    ) -> Decision: ...

    def list_varying(self, organization: Organization) -> Sequence[str]: ...


class OrganizationReader(Protocol):
    """Reads organizations."""

    async def get(self, organization_id: UUID) -> Organization: ...

    async def now(self) -> datetime: ...

    async def at_time(self, organization: Organization, at: datetime | None) -> Organization: ...

    async def find_number(
        self, organization_id: UUID, phone_number_id: UUID, at: datetime | None
    ) -> PhoneNumber: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of the decision at `at`."""

    at: datetime
    decision: Decision
    story: AccessStory


@dataclass(frozen=True, slots=True)
class Explained:
    """The decision at `decision.decided_at`, and the upcoming changes in order. `varying` are policies
    that were asked and may answer differently at any moment, or for a certain call."""

    decision: Decision
    story: AccessStory
    turns: tuple[Turn, ...]
    varying: tuple[str, ...] = ()

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
        """The same for an organization that was read already."""
        return await self.explain_what_if(organization, WhatIf(at))

    async def decide(self, organization_id: UUID, what_if: WhatIf) -> Decision:
        """The decision on a supposition. Raises `NotFoundError` and `BadPeriodError`."""
        organization, number = await self.suppose(
            await self.organizations.get(organization_id), what_if
        )
        return await self.preview.decide(
            organization,
            at=what_if.at,
            phone_number=number,
            call=what_if.call,
            with_shadows=True,
        )

    async def explain_what_if(self, organization: Organization, what_if: WhatIf) -> Explained:
        """The access under a supposition. Raises `NotFoundError` and `BadPeriodError`.

        A past instant is explained with the facts of that time. Changes that only a plugin's policy
        knows are included as far as its verdict says until when it holds.
        """
        organization, number = await self.suppose(organization, what_if)

        async def decide(at: datetime | None, *, with_shadows: bool = False) -> Decision:
            return await self.preview.decide(
                organization,
                at=at,
                phone_number=number,
                call=what_if.call,
                with_shadows=with_shadows,
            )

        decision = await decide(what_if.at, with_shadows=True)
        turns: list[Turn] = []
        grace = self.preview.renewal_grace
        last, instant = decision, find_next(organization, decision, grace)
        for _ in range(MOST):
            if instant is None:
                break
            then = await decide(instant)
            if (then.allowed, then.reason) != (last.allowed, last.reason):
                turns.append(Turn(instant, then, describe_access(organization, then, grace)))
                last = then
            instant = find_next(organization, then, grace)
        story = describe_access(organization, decision, grace)
        named = self.preview.list_varying(organization)
        asked = {one.policy for one in decision.trace if one.effect != "skipped"}
        varying = tuple(name for name in named if name in asked)
        return Explained(decision, story, tuple(turns), varying)

    async def suppose(
        self, organization: Organization, what_if: WhatIf
    ) -> tuple[Organization, PhoneNumber | None]:
        """The organization and its number with the facts of the time and those that are supposed."""
        then = await self.organizations.at_time(organization, what_if.at)
        facts: dict[str, Any] = dict(what_if.facts)
        if isinstance(trial := facts.get("trial"), SupposedTrial):
            began = what_if.at or await self.organizations.now()
            facts["trial"] = begin_trial(trial, then.trial, began)
        if (override := facts.get("override")) is not None:
            check_override(override)
        if "attributes" in facts:
            facts["attributes"] = facts["attributes"] or {}
        number = None
        if what_if.phone_number_id is not None:
            number = await self.organizations.find_number(
                organization.id, what_if.phone_number_id, what_if.at
            )
        return replace(then, **facts), number


def find_next(
    organization: Organization, decision: Decision, renewal_grace: timedelta
) -> datetime | None:
    """When the decision may change by itself."""
    ends_at = next_change_at(organization, decision.decided_at, renewal_grace)
    return min(filter(None, (ends_at, decision.until)), default=None)
