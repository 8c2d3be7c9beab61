"""The conditions that plans' limits are nearly or fully used."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from service.admin.usage.usage import UsageReports
from service.domain.conditions import Condition, condition
from service.domain.usage.sums import LimitState
from service.domain.wording.labels import format_count

REUSED_SECONDS = 10.0
"""How long a reading is reused: it sums up the usage of every organization whose plan has limits."""


@dataclass(slots=True)
class LimitConditions:
    """Counts organizations near their limits, and at them."""

    usage: UsageReports
    reused_seconds: float = REUSED_SECONDS
    states: Mapping[UUID, LimitState] = field(default_factory=dict)
    read_at: float = float("-inf")

    async def read(self) -> list[Condition]:
        """Both conditions as of the last seconds; none without such organizations."""
        states = list((await self.read_states()).values())
        found = []
        for state in ("reached", "near"):
            if count := states.count(state):
                organizations = format_count(count, "organization", "organizations")
                found.append(condition(f"plan_limit_{state}", organizations=organizations))
        return found

    async def read_states(self) -> Mapping[UUID, LimitState]:
        """The organizations that are counted, with how far their limits are used."""
        if time.monotonic() - self.read_at > self.reused_seconds:
            reports = await self.usage.list_limits()
            self.states = {one.organization_id: one.state for one in reports if one.state}
            self.read_at = time.monotonic()
        return self.states
