"""Names of time zones (IANA), such as `Europe/Berlin`. Pure, but for the tables of the system."""

from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

from policies.host.marks import BadTextError, shown, without_marks

MOST = 64
TIME_ZONE = r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$"
"""The form of a name, for the OpenAPI document."""

LOCAL = frozenset({"localtime", "Factory"})
"""What systems list beside the zones: the machine's own choice, and none at all."""


@cache
def zones() -> Mapping[str, str]:
    """The canonical names of all time zones, by their names in lower case."""
    return {name.lower(): name for name in sorted(available_timezones() - LOCAL)}


def parse_time_zone(text: str) -> str:
    """A pasted name of a time zone in its canonical case. Raises `BadTextError`."""
    name = without_marks(text).strip().replace(" ", "_").lower()
    found = zones().get(name) if len(name) <= MOST else None
    if found is None:
        raise BadTextError(
            f"{shown(text)} is no time zone: write a name such as Europe/Berlin or UTC."
        )
    return found
