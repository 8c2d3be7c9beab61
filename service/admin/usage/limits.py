"""The conditions that plans' limits are nearly or fully used."""

import time
from dataclasses import dataclass, field

from service.admin.usage.usage import UsageReports
from service.domain.conditions import Condition, condition
from service.domain.wording.labels import format_count

REUSED_SECONDS = 10.0
"""How long a reading is reused: it sums up the usage of every organization whose plan has limits."""


@dataclass(slots=True)
class LimitConditions:
    """Counts organizations near their limits, and at them."""

    usage: UsageReports
    reused_seconds: float = REUSED_SECONDS
    last: list[Condition] = field(default_factory=list)
    read_at: float = float("-inf")

    async def read(self) -> list[Condition]:
        """Both conditions as of the last seconds; none without such organizations."""
        if time.monotonic() - self.read_at > self.reused_seconds:
            states = [one.state for one in await self.usage.list_limits()]
            counts = {state: states.count(state) for state in ("reached", "near")}
            self.last = [
                condition(
                    f"plan_limit_{state}",
                    organizations=format_count(count, "organization", "organizations"),
                )
                for state, count in counts.items()
                if count
            ]
            self.read_at = time.monotonic()
        return self.last
