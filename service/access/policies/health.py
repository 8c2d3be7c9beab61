"""Metrics of one policy since this replica started: verdicts, failures, durations.

Memory is bounded: durations are those of the last `REMEMBERED` evaluations.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.contract import Effect

REMEMBERED = 1000
SEVERAL = 20
"""How many evaluations it takes to call a policy slow."""
SLOW_PART = 0.5
"""The part of its timeout that a policy may use."""


@dataclass(frozen=True, slots=True)
class PolicyHealth:
    """A snapshot of the metrics. Evaluations for calls, sweeps, lists and previews all count.

    `failed` counts those without a usable answer, `late` the ones of these that took too long.
    `suspended`: the policy keeps failing and only probes reach it. `stuck`: evaluations that go on
    past their deadline. `slow`: most of its time is used up, or it was too slow for the event loop.
    Times are milliseconds, None before the first evaluation; `waited_p95_ms` is how long it waited
    for a free thread, which is not its own time.
    """

    asked: int
    allowed: int
    denied: int
    abstained: int
    failed: int
    late: int
    suspended: bool
    last_failure: str | None
    last_failed_at: datetime | None
    p50_ms: float | None
    p95_ms: float | None
    stuck: int = 0
    slow: bool = False
    waited_p95_ms: float | None = None


class PolicyMetrics:
    """Counts for one policy; recording costs well under a microsecond."""

    __slots__ = (
        "counts",
        "failed",
        "last_failed_at",
        "last_failure",
        "late",
        "seconds",
        "times",
        "waits",
    )

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Effect, 0)
        self.failed = 0
        self.late = 0
        self.seconds = 0.0
        self.last_failure: str | None = None
        self.last_failed_at: datetime | None = None
        self.times: deque[float] = deque(maxlen=REMEMBERED)
        self.waits: deque[float] = deque(maxlen=REMEMBERED)

    def record_verdict(self, effect: Effect, milliseconds: float) -> None:
        """Count a verdict."""
        self.counts[effect] += 1
        self.record_duration(milliseconds)

    def record_failure(self, slug: str, milliseconds: float) -> None:
        """Count an evaluation without a usable answer."""
        self.failed += 1
        self.late += slug == "late"
        self.last_failure, self.last_failed_at = slug, datetime.now(UTC)
        self.record_duration(milliseconds)

    def record_duration(self, milliseconds: float) -> None:
        self.seconds += milliseconds / 1000
        self.times.append(milliseconds)

    def record_wait(self, milliseconds: float) -> None:
        """Record how long an evaluation waited until it ran."""
        self.waits.append(milliseconds)

    def read(
        self,
        *,
        suspended: bool,
        stuck: int = 0,
        timeout_ms: float = math.inf,
        moved: bool = False,
    ) -> PolicyHealth:
        """The metrics as of now; `moved`: it was too slow for the event loop."""
        allowed, denied, abstained = (self.counts[effect] for effect in Effect)
        ordered = sorted(self.times)
        p95 = quantile(ordered, 0.95)
        nearly_late = len(ordered) >= SEVERAL and (p95 or 0.0) > timeout_ms * SLOW_PART
        return PolicyHealth(
            asked=allowed + denied + abstained + self.failed,
            allowed=allowed,
            denied=denied,
            abstained=abstained,
            failed=self.failed,
            late=self.late,
            suspended=suspended,
            last_failure=self.last_failure,
            last_failed_at=self.last_failed_at,
            p50_ms=quantile(ordered, 0.5),
            p95_ms=p95,
            stuck=stuck,
            slow=moved or nearly_late,
            waited_p95_ms=quantile(sorted(self.waits), 0.95),
        )


def quantile(ordered: list[float], part: float) -> float | None:
    """The value that `part` of the values do not exceed; None without values."""
    if not ordered:
        return None
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
