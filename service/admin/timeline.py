"""What happened around one organization, newest first, each thing in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from service.admin.audit_words import Told, tell_change
from service.admin.undo import least_role, undoable
from service.domain.people import Role
from service.store.audit import AuditEntry, find_names
from service.store.organizations import timeline as store
from service.store.organizations.timeline import Place, StoppedDay
from service.store.pool import Pool

END: Place = (datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1)
"""After everything that can have happened."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `entry` is the change's, None for a day of stopped calls."""

    at: datetime
    told: Told
    entry: AuditEntry | None = None
    day: StoppedDay | None = None

    @property
    def place(self) -> Place:
        return (self.at, self.entry.id if self.entry else 0)

    @property
    def undo_needs(self) -> Role | None:
        """Who may take the change back; None: nobody can, or somebody did."""
        if self.entry is None or self.entry.undone_by is not None or not undoable(self.entry):
            return None
        return least_role(self.entry)


@dataclass(slots=True)
class TimelinePage:
    """A part of the timeline; `next` is where it goes on."""

    found: list[Happening] = field(default_factory=list)
    next: Place | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What everybody may read."""

    pool: Pool

    async def page(self, organization_id: UUID, *, after: Place | None, limit: int) -> TimelinePage:
        """Changes and days of stopped calls after a place."""
        place = after or END
        entries = await store.list_changes(self.pool, organization_id, place, limit + 1)
        days = await store.list_days(self.pool, organization_id, place[0], limit + 1)
        found = [*await tell_all(self.pool, entries), *map(tell_day, days)]
        found.sort(key=lambda happening: happening.place, reverse=True)
        more = len(found) > limit
        return TimelinePage(found[:limit], found[limit - 1].place if more else None)


async def tell_all(pool: Pool, entries: Sequence[AuditEntry]) -> list[Happening]:
    """Entries in words; all their names are asked for at once."""
    names = await find_names(pool, sorted({one for entry in entries for one in ids_in(entry)}))
    return [Happening(entry.at, tell_change(entry, names), entry) for entry in entries]


def ids_in(entry: AuditEntry) -> list[str]:
    """What an entry names by an id."""
    values: list[Mapping[str, object]] = [entry.before or {}, entry.after or {}]
    owners = (one.get("organization_id") for one in values)
    return [entry.object_id, *(owner for owner in owners if isinstance(owner, str))]


def tell_day(day: StoppedDay) -> Happening:
    parts = []
    if day.blocked:
        parts.append(f"{day.blocked} {'call was' if day.blocked == 1 else 'calls were'} blocked")
    if day.cut:
        parts.append(f"{day.cut} {'call was' if day.cut == 1 else 'calls were'} cut off")
    return Happening(day.last_at, Told(" and ".join(parts) + ".", "", ()), day=day)
