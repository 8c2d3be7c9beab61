"""Whether organizations have access now, read from PostgreSQL and decided by the chain.

The desired state at Vapi depends on it, so a cache in memory that may be stale is not enough.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.access.policies.chain import AccessChain
from service.access.policies.request import build_request
from service.domain.access_times import next_change_at
from service.domain.organizations import Organization
from service.domain.standing import AccessStanding
from service.domain.wording.blocked_messages import format_blocked_message
from service.store.clock import get_now
from service.store.organizations import organizations
from service.store.policies.choices import read_choices
from service.store.pool import Pool


@dataclass(frozen=True, slots=True)
class AccessStandings:
    """Reads standings. `ring_default` is CALLGATE_RING_GATE, for organizations without a choice."""

    pool: Pool
    chain: AccessChain
    blocked_message: str
    ring_default: bool

    async def read(
        self, organization_ids: Sequence[UUID], *, under_way: bool = False
    ) -> Mapping[UUID, AccessStanding]:
        """The standing of each of these organizations that exists: for the next call, or for those that
        are under way."""
        read_at = time.monotonic()
        self.chain.choices.take(await read_choices(self.pool), read_at)
        found = await organizations.find_many(self.pool, organization_ids)
        now = await get_now(self.pool)
        return {one.id: await self.evaluate(one, now, under_way=under_way) for one in found}

    async def evaluate(
        self, organization: Organization, now: datetime, *, under_way: bool = False
    ) -> AccessStanding:
        """Decide as for a call that begins now, by the database's clock; `under_way`: for one that began
        before, which counts against no limit of its own."""
        request = build_request(organization, now, purpose="ring_gate")
        decision = await self.chain.decide(
            request, basis="fresh", own=organization.policies, under_way=under_way
        )
        handling = organization.handling
        ends_at = next_change_at(organization, now, self.chain.renewal_grace)
        changes_at = min(filter(None, (ends_at, decision.until)), default=None)
        return AccessStanding(
            allowed=decision.allowed,
            reason=decision.reason,
            message=format_blocked_message(
                organization,
                decision.reason,
                self.blocked_message,
                now,
                decision.terms,
            ),
            diverts=decision.diverts,
            ring=self.ring_default if handling.ring_gate is None else handling.ring_gate,
            transfer_to=handling.transfer_when_down,
            changes_at=changes_at,
            changes_in=None if changes_at is None else (changes_at - now).total_seconds(),
        )
