"""Whether Vapi's API answers this replica, as its own requests show."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.domain.priority import Priority
from service.vapi.errors import VapiError, VapiThrottledError, VapiUnavailableError

FAILURES = 3
"""So many failures in a row, and Vapi counts as unreachable: one alone happens every day."""
FAILING_SECONDS = 5.0
IDLE_SECONDS = 60.0


@dataclass(slots=True)
class VapiReach:
    """The failures since Vapi last answered, with whatever: a refusal is an answer. `requests` counts
    the requests of this replica by kind and outcome."""

    failures: int = 0
    since: datetime | None = None
    last_error: str = ""
    tried_at: float = field(default_factory=time.monotonic)
    failing_from: float | None = None
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, kind: Priority | None, error: VapiError | None) -> None:
        """Note how a request went."""
        self.tried_at = time.monotonic()
        name = (kind or Priority.HANGUP).value
        if not isinstance(error, VapiUnavailableError) or isinstance(error, VapiThrottledError):
            self.requests[name, "answered" if error is None else "refused"] += 1
            self.failures, self.since, self.last_error, self.failing_from = 0, None, "", None
            return
        self.requests[name, "failed"] += 1
        self.failures += 1
        self.last_error = str(error)
        if self.failing_from is None:
            self.since, self.failing_from = datetime.now(UTC), self.tried_at

    @property
    def away_seconds(self) -> float:
        """For how long Vapi has been unreachable; 0 while it answers."""
        if self.failing_from is None or self.failures < FAILURES:
            return 0.0
        return time.monotonic() - self.failing_from

    @property
    def seconds_to_probe(self) -> float:
        """Seconds until a request should show whether Vapi answers; soon while the last one failed."""
        pause = FAILING_SECONDS if self.failures else IDLE_SECONDS
        return self.tried_at + pause - time.monotonic()
