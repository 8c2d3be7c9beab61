"""Metrics of one policy since this replica started: verdicts, failures, durations.

Memory is bounded: durations are those of the last `REMEMBERED` evaluations.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.contract import Effect

REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class PolicyHealth:
    """A snapshot of the metrics. Evaluations for calls, sweeps, lists and previews all count.

    `failed` counts those without a usable answer, `late` the ones of these that took too long.
    `suspended`: the policy keeps failing and only probes reach it. Times are milliseconds, None
    before the first evaluation.
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


class PolicyMetrics:
    """Counts for one policy; recording costs well under a microsecond."""

    __slots__ = ("counts", "failed", "last_failed_at", "last_failure", "late", "seconds", "times")

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Effect, 0)
        self.failed = 0
        self.late = 0
        self.seconds = 0.0
        self.last_failure: str | None = None
        self.last_failed_at: datetime | None = None
        self.times: deque[float] = deque(maxlen=REMEMBERED)

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

    def read(self, *, suspended: bool) -> PolicyHealth:
        """The metrics as of now."""
        allowed, denied, abstained = (self.counts[effect] for effect in Effect)
        ordered = sorted(self.times)
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
            p95_ms=quantile(ordered, 0.95),
        )


def quantile(ordered: list[float], part: float) -> float | None:
    """The value that `part` of the values do not exceed; None without values."""
    if not ordered:
        return None
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
