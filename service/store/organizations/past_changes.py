"""Changes of what decides calls, as `callgate.entitlement_history` keeps them. No I/O.

Triggers write them, with the database's instants, so that every replica builds the same past.
`directory` reads those of the last hours with each entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.instants import FIRST, LAST, within

KEPT = timedelta(hours=13)
"""How far back the past reaches: Vapi ends every call after 12 hours."""


@dataclass(frozen=True, slots=True)
class PastChange:
    """A change of `kind`, a table. `before` is what the row said until `at`; None: there was no row.

    `key` is Vapi's id of a number or an assistant, or the name of a policy.
    """

    at: datetime
    kind: str
    key: str | None = None
    before: dict[str, Any] | None = None


def parse_changes(stored: Sequence[Sequence[Any]] | None) -> tuple[PastChange, ...]:
    """Changes as the statement of the entries gives them: instant, kind, key, before."""
    changes = [
        PastChange(parse_stored(at), kind, key, before) for at, kind, key, before in stored or ()
    ]
    return tuple(sorted(changes, key=lambda change: change.at))


def find_stored(text: str | None) -> datetime | None:
    """An instant that PostgreSQL wrote as JSON, or none."""
    return None if text is None else parse_stored(text)


def parse_stored(text: str) -> datetime:
    """An instant that PostgreSQL wrote as JSON, within the accepted years."""
    if text in ("infinity", "-infinity"):
        return LAST if text == "infinity" else FIRST
    try:
        return within(datetime.fromisoformat(text)).astimezone(UTC)
    except ValueError:
        # A year of five digits, or one before Christ: only a row of an old version holds one.
        return FIRST if text.endswith("BC") else LAST
