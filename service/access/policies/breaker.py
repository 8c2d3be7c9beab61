"""The breaker of one policy: failures, lateness and stuck evaluations count alike. Pure but for its
clock, which is an argument."""

FAILURES = 5
"""Failures in a row that suspend a policy."""
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
AFTER_BLOCKING_SECONDS = 3600.0
"""How long a policy is suspended that blocked the event loop: each probe would block all callers."""


class PolicyBreaker:
    """Closed until `FAILURES` in a row; then one probe a pause, which doubles with each failed probe."""

    def __init__(self) -> None:
        self.failures = 0
        self.damages = 0
        self.pause = FIRST_PAUSE_SECONDS
        self.open_until: float | None = None
        self.probed = False
        """Whether a probe of this suspension was let through."""

    @property
    def is_open(self) -> bool:
        """Whether the policy is suspended."""
        return self.open_until is not None

    def may_probe(self, now: float) -> bool:
        """Whether an open breaker lets this evaluation through as the probe of its pause."""
        if self.open_until is None or now < self.open_until:
            return False
        self.open_until = now + self.pause
        self.probed = True
        return True

    def succeed(self, *, probing: bool) -> None:
        """The policy answered: close. An open breaker closes for its probe only; what began before the
        suspension says nothing about it."""
        if self.is_open and not (probing and self.probed):
            return
        self.failures = 0
        self.pause = FIRST_PAUSE_SECONDS
        self.open_until = None

    def fail(self, now: float, *, probing: bool) -> bool:
        """Count a failure; True if it opens the breaker."""
        self.failures += 1
        if probing:
            self.pause = min(self.pause * 2, LONGEST_PAUSE_SECONDS)
            # It may have been suspended for longer while the probe was under way.
            self.open_until = max(self.open_until or now, now + self.pause)
        elif self.open_until is None and self.failures >= FAILURES:
            self.open_until = now + self.pause
            self.probed = False
            return True
        return False

    def suspend(self, now: float, seconds: float) -> None:
        """Open for so long, whatever came before."""
        self.failures = max(self.failures, FAILURES)
        self.probed = False
        self.open_until = max(self.open_until or now, now + seconds)

    def count_damage(self, now: float) -> bool:
        """Count a change of the facts; True if it opens the breaker. Answers in between do not help:
        such a policy answers, and makes the chain ask all others a second time."""
        self.damages += 1
        if self.open_until is not None or self.damages < FAILURES:
            return False
        doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(self.damages - FAILURES, 10)
        self.pause = min(doubled, LONGEST_PAUSE_SECONDS)
        self.suspend(now, self.pause)
        return True
