"""What an organization used in a period, and how far that exhausts the limits of its plan. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from policies.entitlements import PlanLimits
from service.domain.usage.periods import Period

LimitState = Literal["near", "reached"]
NEAR = 0.8
"""The share of a limit from which on it counts as near."""

LONGEST_CALL_SECONDS = 43_200
"""The most that Vapi takes as the length of a call; it ends every call then."""
SHORTEST_CALL_SECONDS = 10
"""The least that Vapi takes for `maxDurationSeconds`."""


@dataclass(frozen=True, slots=True)
class UsageSums:
    """Calls that began in a period, with the seconds and the cost of all of them.

    `calls` includes `blocked_calls`. `cost` is in the currency of Vapi.
    """

    calls: int = 0
    blocked_calls: int = 0
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def __add__(self, other: "UsageSums") -> "UsageSums":
        return UsageSums(
            self.calls + other.calls,
            self.blocked_calls + other.blocked_calls,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )

    def __sub__(self, other: "UsageSums") -> "UsageSums":
        return UsageSums(
            self.calls - other.calls,
            self.blocked_calls - other.blocked_calls,
            self.seconds - other.seconds,
            self.cost - other.cost,
        )

    @property
    def minutes(self) -> float:
        return float(self.seconds) / 60


NOTHING = UsageSums()


@dataclass(frozen=True, slots=True)
class IntervalUsage:
    """The sums of one day or month of a period."""

    since: datetime
    sums: UsageSums


@dataclass(frozen=True, slots=True)
class OrganizationUsage:
    """One organization's sums in a period. `name` is None if it was deleted and left no name;
    `exists`: it is not deleted.

    `live_calls` are under way now, whatever the period.
    """

    organization_id: UUID
    name: str | None
    external_id: str | None
    period: Period
    sums: UsageSums
    live_calls: int
    exists: bool = True


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of one limit of a plan is used: `used` of `limit`, in the limit's unit."""

    kind: Literal["minutes", "cost", "concurrent_calls"]
    used: float
    limit: float

    @property
    def share(self) -> float:
        """The used part; 1 is all. A limit of 0 is used up from the beginning."""
        return self.used / self.limit if self.limit else 1.0

    @property
    def state(self) -> LimitState | None:
        """Calls under way come and go: they are at their limit or not, but never near it."""
        if self.share >= 1:
            return "reached"
        return "near" if self.share >= NEAR and self.kind != "concurrent_calls" else None


def limit_uses(limits: PlanLimits | None, sums: UsageSums, live_calls: int) -> list[LimitUse]:
    """How much of each limit that a plan has is used."""
    if limits is None:
        return []
    found = []
    if limits.minutes is not None:
        found.append(LimitUse("minutes", sums.minutes, limits.minutes))
    if limits.cost is not None:
        found.append(LimitUse("cost", float(sums.cost), limits.cost))
    if limits.concurrent_calls is not None:
        found.append(LimitUse("concurrent_calls", live_calls, limits.concurrent_calls))
    return found


def limit_state(uses: Iterable[LimitUse]) -> LimitState | None:
    """The state of the limit that is used most; None: none is near."""
    states = {one.state for one in uses}
    return "reached" if "reached" in states else "near" if "near" in states else None


def longest_call(limits: PlanLimits | None, seconds_used: float) -> int | None:
    """How many seconds a new call may last by what is left of a plan's minutes; None: any number."""
    if limits is None or limits.minutes is None:
        return None
    left = int(limits.minutes * 60 - seconds_used)
    # No call can use up more than Vapi allows.
    return None if left >= LONGEST_CALL_SECONDS else max(left, SHORTEST_CALL_SECONDS)
