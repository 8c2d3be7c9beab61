"""One line a second for refusals, with counts: a flood of them must not flood the log."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import structlog

EVERY_SECONDS = 1.0
MOST_ADDRESSES = 5

log = structlog.get_logger()


@dataclass(slots=True)
class RefusalLog:
    """Collects refusals by event and reason; the first one starts the second."""

    events: dict[str, Counter[str]] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def note(self, event: str, reason: str, address: str | None = None) -> None:
        """Count a refusal. `reason` is one of a few sentences of ours, never a sent text."""
        self.events.setdefault(event, Counter())[reason] += 1
        seen = self.addresses.setdefault(event, set())
        if address and len(seen) < MOST_ADDRESSES:
            seen.add(address)
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self.flush)

    def flush(self) -> None:
        """Write one line an event, and start afresh."""
        if self.timer is not None:
            self.timer.cancel()
        events, self.events, self.timer = self.events, {}, None
        addresses, self.addresses = self.addresses, {}
        for event, reasons in events.items():
            log.warning(
                event,
                count=reasons.total(),
                reasons=dict(reasons),
                addresses=sorted(addresses[event]),
            )
