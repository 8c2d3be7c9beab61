"""The audit log as a file: the list with its filters, newest first."""

from collections.abc import AsyncIterator, Sequence

from service.store.audit import AuditFilters, list_audit
from service.store.pool import Pool
from service.web.exports.csv_files import csv_moment, csv_value
from service.web.exports.export import AT_ONCE, Export, csv_json
from service.web.shapes.audit import AuditEntry

HEADS = (
    "id",
    "at",
    "actor",
    "source",
    "action",
    "object_type",
    "object_id",
    "before",
    "after",
    "undoes",
    "undone_by",
    "part_of",
)


def export_audit(pool: Pool, wanted: AuditFilters) -> Export[AuditEntry]:
    """The entries that a list with these filters shows."""

    async def pages() -> AsyncIterator[Sequence[AuditEntry]]:
        last = None
        while True:
            found = await list_audit(pool, **wanted, before_id=last, limit=AT_ONCE)
            yield [AuditEntry.model_validate(entry) for entry in found]
            if len(found) < AT_ONCE:
                return
            last = found[-1].id

    return Export("audit", HEADS, pages(), cells)


def cells(entry: AuditEntry) -> list[str]:
    """One entry's line."""
    return [
        str(entry.id),
        csv_moment(entry.at),
        entry.actor,
        entry.source,
        entry.action,
        entry.object_type,
        entry.object_id,
        csv_json(entry.before),
        csv_json(entry.after),
        csv_value(entry.undoes),
        csv_value(entry.undone_by),
        csv_value(entry.part_of),
    ]
