"""The conditions of observers: which keep failing, hang, or lose events."""

from collections.abc import Iterable, Iterator

from service.access.observers.call_observer import ObserverHealth
from service.domain.conditions import Condition, condition

FAILURES = 5
"""Failures in a row."""
STUCK_SECONDS = 10.0
RECENT_SECONDS = 600.0


def list_ailing_observers(
    observers: Iterable[ObserverHealth], *, stuck_seconds: float = STUCK_SECONDS
) -> Iterator[Condition]:
    """Observers that need attention."""
    for one in observers:
        if one.failing >= FAILURES:
            yield condition("observer_failing", observer=one.name, error=one.last_failure)
        if one.busy_seconds >= stuck_seconds:
            seconds = round(one.busy_seconds)
            yield condition("observer_stuck", observer=one.name, seconds=seconds)
        elif one.dropped_seconds is not None and one.dropped_seconds < RECENT_SECONDS:
            yield condition("observer_behind", observer=one.name, dropped=one.dropped)
