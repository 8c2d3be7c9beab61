"""A circuit breaker for one server: after repeated failures it lets one probe through at a time.

Our own, because purgatory lets every request through while it is half open: a hundred callers would
then wait for a server that is known to hang.
"""

import time
from collections.abc import Callable

PROBE_SECONDS = 1.0
"""How long to wait before looking again while a probe is under way."""


class Breaker:
    """Closed until `threshold` failures in a row; then open for a pause that doubles from probe to
    probe, from `first_pause` to `longest_pause` seconds. A success closes it."""

    def __init__(
        self,
        threshold: int,
        first_pause: float,
        longest_pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.threshold = threshold
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget all failures."""
        self.failures = 0
        self.pause = self.first_pause
        self.opens_at: float | None = None
        self.probing = False

    @property
    def is_closed(self) -> bool:
        return self.opens_at is None

    def wait_seconds(self) -> float:
        """Seconds until a request may go out; 0 if it may now."""
        if self.opens_at is None:
            return 0.0
        if self.probing:
            return PROBE_SECONDS
        return max(self.opens_at - self.clock(), 0.0)

    def enter(self) -> bool:
        """Whether a request may go out; while the breaker is open, one that may is the probe."""
        if self.wait_seconds() > 0:
            return False
        self.probing = not self.is_closed
        return True

    def succeed(self) -> None:
        """Record an answer."""
        self.reset()

    def fail(self) -> None:
        """Record a failure. One that began before the breaker opened does not prolong the pause."""
        self.failures += 1
        if self.failures < self.threshold or not (self.is_closed or self.probing):
            return
        self.probing = False
        self.opens_at = self.clock() + self.pause
        self.pause = min(self.pause * 2, self.longest_pause)

    def leave(self) -> None:
        """End a request that neither succeeded nor failed."""
        self.probing = False
