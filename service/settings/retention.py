"""Settings of retention: how long rows are kept in PostgreSQL."""

from datetime import timedelta

from service.settings.durations import Keeping
from service.settings.group import SettingsGroup

SHORTEST_CALLS = timedelta(days=35)
"""A month of usage, and some days to look at it."""
SHORTEST_STEPS = timedelta(days=1)


class RetentionSettings(SettingsGroup):
    """Ages after which rows are deleted; 0 keeps them permanently."""

    callgate_keep_calls: Keeping = timedelta(days=400)
    callgate_keep_steps: Keeping = timedelta(days=30)
    callgate_keep_history: Keeping = timedelta(days=400)

    def retention_faults(self) -> list[str]:
        """Ages that would delete what is still needed."""
        kept = {
            "CALLGATE_KEEP_CALLS": (self.callgate_keep_calls, SHORTEST_CALLS),
            "CALLGATE_KEEP_STEPS": (self.callgate_keep_steps, SHORTEST_STEPS),
            "CALLGATE_KEEP_HISTORY": (self.callgate_keep_history, SHORTEST_CALLS),
        }
        return [
            f"{name} is {keep.total_seconds() / 86_400:g} days: keep at least {least.days} days, or "
            "0 to keep all."
            for name, (keep, least) in kept.items()
            if keep and keep < least
        ]
