"""Reads the facts that decided calls within a span, of several organizations at once.

The present entry of an organization without the changes since is its entry of any instant of the span:
of the changes after the span only the first of each kind is read, so many changes cost little memory.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store.organizations.directory import DirectoryEntry, read_some
from service.store.organizations.past_changes import PastChange
from service.store.organizations.past_entries import find_entry_at
from service.store.pool import Connection

CHANGES = """
SELECT organization_id, at, kind, key, before FROM (
    SELECT DISTINCT ON (organization_id, kind, key) id, organization_id, at, kind, key, before
    FROM callgate.entitlement_history
    WHERE organization_id = ANY($1::uuid[]) AND undoes AND at > $3
    ORDER BY organization_id, kind, key, at, id) later
UNION ALL
SELECT organization_id, at, kind, key, before FROM (
    SELECT id, organization_id, at, kind, key, before FROM callgate.entitlement_history
    WHERE organization_id = ANY($1::uuid[]) AND undoes AND at > $2 AND at <= $3
    ORDER BY at, id) within
"""

# Rows of an earlier version do not have the previous values.
UNKNOWN = """
SELECT o.id, o.updated_at, (
    SELECT max(e.at) FROM callgate.entitlement_history e
    WHERE e.organization_id = o.id AND NOT e.undoes AND e.at > $2) AS unknown_until
FROM callgate.organizations o WHERE o.id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class PastFacts:
    """The facts of an organization at any instant of a span.

    `unknown_until`: before this instant they are not known. `updated_at` is when a field of its own
    last changed: the history keeps those that decide, without the time zone.
    """

    entry: DirectoryEntry
    updated_at: datetime
    unknown_until: datetime | None

    def find_organization(self, at: datetime) -> Organization | None:
        """The organization at an instant; None: it did not exist, or its facts are not known."""
        if self.unknown_until is not None and at < self.unknown_until:
            return None
        found = find_entry_at(self.entry, at)
        return None if found is None else found.organization

    def find_number(self, phone_number_id: UUID | None, at: datetime) -> PhoneNumber | None:
        """A number of the organization at an instant, by its id."""
        found = find_entry_at(self.entry, at)
        numbers = () if found is None else found.phone_numbers
        return next((one for one in numbers if one.id == phone_number_id), None)

    def list_changes(self, since: datetime, until: datetime) -> list[datetime]:
        """The instants of changes after `since` and until `until`, the latest first."""
        return sorted(
            {change.at for change in self.entry.changes if since < change.at <= until}, reverse=True
        )


async def read_past_facts(
    connection: Connection,
    organization_ids: Collection[UUID],
    since: datetime,
    until: datetime,
    kept_since: datetime | None = None,
) -> dict[UUID, PastFacts]:
    """The facts of these organizations from `since` to `until`; removed ones are missing. Changes
    before `kept_since` are deleted.

    The connection's transaction must see one state of the database.
    """
    ids = list(organization_ids)
    entries = await read_some(connection, ids)
    changes: dict[UUID, list[PastChange]] = {}
    for row in await connection.fetch(CHANGES, ids, since, until):
        change = PastChange(row["at"], row["kind"], row["key"], row["before"])
        changes.setdefault(row["organization_id"], []).append(change)
    return {
        row["id"]: PastFacts(
            with_changes(entries[row["id"]], changes.get(row["id"], [])),
            row["updated_at"],
            max(filter(None, (row["unknown_until"], kept_since)), default=None),
        )
        for row in await connection.fetch(UNKNOWN, ids, since)
    }


def with_changes(entry: DirectoryEntry, changes: list[PastChange]) -> DirectoryEntry:
    """The entry with these changes, in their order."""
    ordered = tuple(sorted(changes, key=lambda change: change.at))
    return DirectoryEntry(entry.organization, entry.phone_numbers, ordered)
