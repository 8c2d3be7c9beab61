"""The shapes of the audit log."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from service.store.audit import AuditFilters
from service.store.vault import mask_sealed
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import SEARCHABLE, Instant, SearchedObject, SearchedSlug, digits_of
from service.web.shapes.paging import ExportQuery, PageQuery, QueryParameters

PartOf = Annotated[int, Field(ge=1, le=999_999_999), BeforeValidator(digits_of)]


Masked = Annotated[dict[str, Any] | None, BeforeValidator(mask_sealed)]


class AuditEntry(ResponseBody):
    id: int
    at: Instant
    actor: str
    source: str
    action: str
    object_type: str
    object_id: str
    before: Masked
    after: Masked
    undoes: int | None
    undone_by: int | None
    part_of: int | None


class AuditFilterQuery(QueryParameters):
    """Filters: the object, the actor, the source, the action and the time; `until` is exclusive.

    The changes that the rows of an import made are listed with `part_of`, the id of the import's
    entry, and by `object_id` and `action`.
    """

    object_type: SearchedSlug | None = None
    object_id: SearchedObject | None = None
    actor: Annotated[str, StringConstraints(max_length=300, pattern=SEARCHABLE)] | None = None
    source: SearchedSlug | None = None
    action: SearchedSlug | None = None
    since: Instant | None = None
    until: Instant | None = None
    part_of: PartOf | None = None

    @property
    def filters(self) -> AuditFilters:
        """The filters of the store."""
        return {
            "object_type": self.object_type,
            "object_id": self.object_id,
            "actor": self.actor,
            "source": self.source,
            "action": self.action,
            "since": self.since,
            "until": self.until,
            "part_of": self.part_of,
        }


class AuditQuery(AuditFilterQuery, PageQuery):
    """Filters of the log, and the page."""


class AuditExportQuery(AuditFilterQuery, ExportQuery):
    """Filters of the log, and the form of the file."""
