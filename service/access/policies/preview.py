"""Evaluates the chain without a call, for lists and explanations. No side effects."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from policies.contract import CallFacts, Purpose
from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.line_up import Arrangement
from service.access.policies.request import build_request, complete_call
from service.domain.access_times import next_change_at
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber

AT_ONCE = 100
"""How many organizations are evaluated before the event loop gets a turn."""


class KnownAccess(NamedTuple):
    """The chain's decision on an organization as read, by the policies as arranged; valid until `until`
    (None: no end)."""

    organization: Organization
    arrangement: Arrangement
    until: datetime | None
    allowed: bool
    reason: str

    def is_outdated(self, organization: Organization, arranged: Arrangement, now: datetime) -> bool:
        """Whether it has to be decided again."""
        expired = self.until is not None and now >= self.until
        return expired or self.organization is not organization or self.arrangement is not arranged


@dataclass(frozen=True, slots=True)
class ChainPreview:
    """The chain as admins use it: for a stored organization at any instant."""

    chain: AccessChain
    directory: AccessDirectory
    known: dict[UUID, KnownAccess] = field(default_factory=dict)

    @property
    def renewal_grace(self) -> timedelta:
        """How long a plan that renews goes on after its period's end."""
        return self.chain.renewal_grace

    async def decide(
        self,
        organization: Organization,
        *,
        at: datetime | None = None,
        phone_number: PhoneNumber | None = None,
        call: CallFacts | None = None,
        purpose: Purpose = "preview",
        with_shadows: bool = False,
    ) -> Decision:
        """The decision on a call at `at`, by default now by the database's clock.

        `call` is a supposed one, with its numbers on their sides. `with_shadows`: its trace has the
        answers of policies in shadow too.
        """
        await self.chain.start()  # a command's chain; that of a replica has been started
        at = at or self.directory.now()
        request = build_request(organization, at, phone_number, purpose=purpose)
        if call is not None:
            request = replace(request, call=complete_call(call, phone_number))
        return await self.chain.decide(
            request,
            basis=self.directory.basis,
            own=organization.policies,
            with_shadows=with_shadows,
        )

    def list_varying(self, organization: Organization) -> list[str]:
        """The policies whose verdict on an organization may change at any moment, by their names."""
        line_up = self.chain.arrangement.find(organization.policies, organization.id)
        return [one.policy.name for one in line_up.list_varying()]

    async def find_matching(self, *, allowed: bool | None, reason: str | None) -> list[UUID] | None:
        """Organizations with this access now; None where memory alone cannot answer.

        The built-in policies change their verdict only when the organization changes or an
        entitlement ends, so a decision is cached in between. A third-party policy may change its
        verdict at any moment, and so may a built-in one that organizations opt into: theirs are decided
        each time.
        """
        if not self.directory.loaded or self.directory.basis != "fresh":
            return None
        arranged = self.chain.arrangement
        if arranged.general.list_varying():
            return None
        entries = list(self.directory.entries.values())
        now = self.directory.now()
        found = []
        for count, entry in enumerate(entries):
            organization = entry.organization
            own = organization.policies
            varying = arranged.find(own, organization.id).list_varying() if own else ()
            if not all(one.in_place for one in varying):
                return None
            known = self.known.get(organization.id)
            if varying or known is None or known.is_outdated(organization, arranged, now):
                known = await self.evaluate(organization, now)
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)
            if allowed in (None, known.allowed) and reason in (None, known.reason):
                found.append(organization.id)
        if len(self.known) > len(entries):
            for gone in self.known.keys() - {entry.organization.id for entry in entries}:
                del self.known[gone]
        return found

    async def evaluate(self, organization: Organization, now: datetime) -> KnownAccess:
        """Evaluate the chain and cache the decision for as long as it holds. Policies that are arranged
        anew meanwhile are asked again."""
        arranged = self.chain.arrangement
        decision = await self.decide(organization, at=now, purpose="list")
        until = next_change_at(organization, now, self.renewal_grace)
        known = KnownAccess(organization, arranged, until, decision.allowed, decision.reason)
        self.known[organization.id] = known
        return known
