"""Vapi's clock: instants in whole milliseconds. No two creations share one, and no two messages."""

import time
from datetime import UTC, datetime


def to_iso(milliseconds: int) -> str:
    """An instant in Vapi's format: `2026-05-04T15:09:58.990Z`."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def parse_instant(text: str) -> int:
    """Milliseconds of an ISO 8601 instant; without an offset it is UTC. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


class Clock:
    """The wall clock, made strictly increasing: paging by `createdAtLt` then skips nothing."""

    def __init__(self) -> None:
        self.last = 0
        self.stamped = 0

    def tick(self) -> int:
        """A new instant, later than all previous ones."""
        self.last = max(self.last + 1, time.time_ns() // 1_000_000)
        return self.last

    def stamp(self, since: int) -> int:
        """A new instant for what happens in a call created at `since`.

        Apart from creations: a burst of messages must not put the calls that follow into the future.
        """
        self.stamped = max(self.stamped + 1, time.time_ns() // 1_000_000, since)
        return self.stamped
