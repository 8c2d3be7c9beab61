"""Asking the chain without a call: for admins, lists and explanations. No side effects."""

from dataclasses import dataclass
from datetime import datetime

from service.access.chain import AccessChain
from service.access.directory import AccessDirectory
from service.access.explain import build_request
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber


@dataclass(frozen=True, slots=True)
class ChainPreview:
    """The chain as admins ask it: about an organization as it is stored, at any instant."""

    chain: AccessChain
    directory: AccessDirectory

    async def decide(
        self,
        organization: Organization,
        *,
        at: datetime | None = None,
        phone_number: PhoneNumber | None = None,
    ) -> Decision:
        """What a call would be answered at `at`, by default now by the database's clock."""
        request = build_request(organization, at or self.directory.now(), phone_number)
        return await self.chain.decide(request, basis=self.directory.basis)
