"""When a call began, by what a message says of it. No I/O.

A message claims these instants. A sender that lies about them gains a decision with other facts of the
last hours at most, for an organization that its secret proves, until PostgreSQL has the record.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.store.organizations.past_changes import KEPT
from service.vapi.message_types import ASSISTANT_REQUEST, BEGINNING, STATUS_UPDATE
from service.vapi.messages import ServerMessage

WAITED = timedelta(minutes=1)
"""A call that starts this long after its creation was scheduled or queued: it begins when it starts."""
CLOCKS_DIFFER = timedelta(seconds=5)
"""How far Vapi's clock may be ahead of the database's."""


def may_begin(message: ServerMessage) -> bool:
    """Whether it may be the first message of a call: it asks for an answer, rings or connects."""
    if message.type == STATUS_UPDATE:
        return message.status in BEGINNING
    return message.type == ASSISTANT_REQUEST


def find_beginning(message: ServerMessage, now: datetime) -> datetime | None:
    """When the call of a message began; None if the message says nothing plausible of it.

    A call whose first status arrives long after its creation has waited to be dialled: it begins now.
    """
    created = first_of((message.created_at, time_in_uuid(message.call_id or "")), now)
    if may_begin(message):
        return created if created is not None and now - created <= WAITED else None
    return earliest_of(created, message.started_at, now)


def earliest_of(
    created_at: datetime | None, started_at: datetime | None, now: datetime
) -> datetime | None:
    """The beginning of a call under way, by its creation and its start."""
    created, started = first_of((created_at,), now), first_of((started_at,), now)
    if created is not None and started is not None and started - created > WAITED:
        return started
    return first_of((created, started), now)


def first_of(instants: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The earliest plausible instant, never later than now. Vapi ends every call after 12 hours."""
    plausible = [
        min(instant, now)
        for instant in instants
        if instant is not None and now - KEPT <= instant <= now + CLOCKS_DIFFER
    ]
    return min(plausible, default=None)


def time_in_uuid(text: str) -> datetime | None:
    """The instant in a UUID of version 7, which begins with milliseconds since 1970."""
    try:
        value = UUID(text)
        if value.version != 7:
            return None
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value.int >> 80)
    except (ValueError, OverflowError):  # no UUID, or of a time after the year 9999
        return None
