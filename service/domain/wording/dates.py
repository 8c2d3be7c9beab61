"""Dates in sentences. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
NEAR = timedelta(hours=48)
"""Within this distance of the time in question, the time of day is shown."""


def format_day(instant: datetime, at: datetime) -> str:
    """A date, with the year if it is another year and the time if it is near `at`."""
    instant, at = instant.astimezone(UTC), at.astimezone(UTC)
    text = f"{instant.day} {MONTHS[instant.month - 1]}"
    if instant.year != at.year:
        text += f" {instant.year}"
    return f"{text} at {instant:%H:%M} UTC" if abs(instant - at) < NEAR else text


def format_until(instant: datetime | None, at: datetime, zone: ZoneInfo) -> str:
    """When something ends, to follow a word such as "again": by the clock of `zone`; `later` where that
    is unknown or over."""
    if instant is None or instant <= at:
        return "later"
    instant, at = instant.astimezone(zone), at.astimezone(zone)
    if instant.date() == at.date():
        return f"today at {instant:%H:%M}"
    year = f" {instant.year}" if instant.year != at.year else ""
    return f"on {instant.day} {MONTHS[instant.month - 1]}{year} at {instant:%H:%M}"
