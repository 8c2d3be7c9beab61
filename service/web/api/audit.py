"""The API's operations on the audit log."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.store.audit import list_audit
from service.store.pool import Pool
from service.web.api.operations import ApiRequest, Operation
from service.web.exports.audit import export_audit
from service.web.exports.export import EXPORT_SECONDS, Export
from service.web.shapes import audit as shapes
from service.web.shapes.audit import AuditExportQuery, AuditQuery
from service.web.shapes.paging import ListPage, place_in_log, read_cursor, write_cursor


@dataclass(frozen=True, slots=True)
class AuditOperations:
    """Read requests, call the use cases, shape answers."""

    pool: Pool

    async def list_audit(self, request: ApiRequest) -> BaseModel:
        """Every change: who made it, when, from where, and the object before and after."""
        query: AuditQuery = request.query
        after = read_cursor(query.cursor, place_in_log)
        found = await list_audit(
            self.pool,
            **query.filters,
            before_id=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [shapes.AuditEntry.model_validate(entry) for entry in found[: query.limit]]
        return ListPage[shapes.AuditEntry](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def export_audit(self, request: ApiRequest) -> Export[shapes.AuditEntry]:
        """All entries that match the filters, as a file: CSV or JSON Lines."""
        query: AuditExportQuery = request.query
        return export_audit(self.pool, query.filters)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/audit",
                "List the audit entries, newest first",
                self.list_audit,
                ListPage[shapes.AuditEntry],
                query=AuditQuery,
            ),
            Operation(
                "GET",
                "/audit/export",
                "Export the audit entries, newest first",
                self.export_audit,
                None,
                query=AuditExportQuery,
                exports=True,
                seconds=EXPORT_SECONDS,
            ),
        ]
