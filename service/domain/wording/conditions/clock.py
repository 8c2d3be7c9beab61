"""The words of conditions about clocks. Pure; see `domain/conditions.py`."""

from service.domain.condition_kinds import ConditionKind

SYNCHRONIZE = (
    "Synchronize the clocks (NTP): plans and trials end, and signed messages are accepted, by the "
    "database's clock."
)

CLOCK_KINDS = (
    ConditionKind(
        "clock_skewed",
        "warning",
        "The database's clock is {seconds} s from this machine's.",
        "The clocks of this machine and of PostgreSQL differ by more than 2 seconds.",
        SYNCHRONIZE,
        "health",
        check="clock",
    ),
    ConditionKind(
        "clock_wrong",
        "error",
        "The database's clock is {seconds} s from this machine's.",
        "The clocks of this machine and of PostgreSQL differ by more than a minute.",
        SYNCHRONIZE,
        "health",
        check="clock",
    ),
)
