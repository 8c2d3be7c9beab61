"""The timeline of one organization: its changes and its days with stopped calls, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from service.domain.audit import ACTIONS, AuditEntry, can_undo
from service.domain.people import Role
from service.domain.wording.audit import ChangeDescription, describe_change
from service.store.audit import find_names, list_audit
from service.store.organizations import timeline as store
from service.store.organizations.timeline import Place, StoppedDay
from service.store.pool import Pool
from service.store.vault import mask_sealed

END: Place = (datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1)
"""A place after every possible event."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event. `entry` is the audit entry of a change, None for a day of stopped calls."""

    at: datetime
    description: ChangeDescription
    entry: AuditEntry | None = None
    day: StoppedDay | None = None

    @property
    def place(self) -> Place:
        return (self.at, self.entry.id if self.entry else 0)

    @property
    def undo_needs(self) -> Role | None:
        """The least role that may undo the change; None: it cannot be undone, or was undone."""
        if self.entry is None or not can_undo(self.entry):
            return None
        if self.entry.undone_by is not None and self.entry.action != "import.applied":
            return None  # an import may be undone again, for the rows that are left
        return ACTIONS[self.entry.action].role


@dataclass(slots=True)
class TimelinePage:
    """A page of the timeline; `next` is the place of the following page."""

    found: list[TimelineEvent] = field(default_factory=list)
    next: Place | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Reads timelines; every role may."""

    pool: Pool

    async def updates(self, object_id: str, since: datetime, limit: int) -> list[TimelineEvent]:
        """The newest changes of an object after an instant."""
        entries = await list_audit(self.pool, object_id=object_id, since=since, limit=limit)
        return await describe_entries(self.pool, [one for one in entries if one.at > since])

    async def page(self, organization_id: UUID, *, after: Place | None, limit: int) -> TimelinePage:
        """Changes and days of stopped calls after a place."""
        place = after or END
        entries = await store.list_changes(self.pool, organization_id, place, limit + 1)
        days = await store.list_days(self.pool, organization_id, place[0], limit + 1)
        found = [*await describe_entries(self.pool, entries), *map(describe_day, days)]
        found.sort(key=lambda event: event.place, reverse=True)
        more = len(found) > limit
        return TimelinePage(found[:limit], found[limit - 1].place if more else None)


async def describe_entries(pool: Pool, entries: Sequence[AuditEntry]) -> list[TimelineEvent]:
    """Describe entries; their names are read in one query."""
    names = await find_names(pool, sorted({one for entry in entries for one in ids_in(entry)}))
    return [
        TimelineEvent(entry.at, describe_change(masked(entry), names), entry) for entry in entries
    ]


def masked(entry: AuditEntry) -> AuditEntry:
    """The entry without sealed values: an undo needs them, and no page shows them."""
    return replace(entry, before=mask_sealed(entry.before), after=mask_sealed(entry.after))


def ids_in(entry: AuditEntry) -> list[str]:
    """The ids that an entry names."""
    values: list[Mapping[str, object]] = [entry.before or {}, entry.after or {}]
    owners = (one.get("organization_id") for one in values)
    return [entry.object_id, *(owner for owner in owners if isinstance(owner, str))]


def describe_day(day: StoppedDay) -> TimelineEvent:
    parts = []
    if day.blocked:
        parts.append(f"{day.blocked} {'call was' if day.blocked == 1 else 'calls were'} blocked")
    if day.cut:
        parts.append(f"{day.cut} {'call was' if day.cut == 1 else 'calls were'} cut off")
    return TimelineEvent(day.last_at, ChangeDescription(" and ".join(parts) + ".", "", ()), day=day)
