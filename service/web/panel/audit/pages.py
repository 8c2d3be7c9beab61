"""The audit log in the panel: the changes with their actors and their fields, each with its undo."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.timeline import describe_entries
from service.domain.audit import OBJECT_KINDS
from service.domain.errors import NotFoundError
from service.store.audit import MOST_COUNTED, count_audit, find_entry, list_actors, list_audit
from service.store.pool import Pool
from service.web.exports.audit import export_audit
from service.web.exports.export import send_export
from service.web.panel.audit.undo import entry_id
from service.web.panel.audit.views import event_view, object_view
from service.web.panel.kit.choices import filter_of, labelled, plain
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_export, read_filters
from service.web.panel.kit.visit import Visit
from service.web.shapes.audit import AuditExportQuery, AuditQuery
from service.web.shapes.paging import place_in_log, read_cursor, write_cursor

MOST_ACTORS = 100
SOURCES = ("web", "api", "cli", "system")


@dataclass(frozen=True, slots=True)
class AuditPages:
    """Read requests, read the audit log, render."""

    pool: Pool

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/audit", self.list_page),
            PanelPage("GET", "/audit.csv", self.download, is_long=True),
            PanelPage("GET", "/audit/{audit_id}", self.page),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The entries that match the filters, newest first."""
        filters = read_filters(visit, AuditQuery)
        query, asked = filters.query, filters.asked
        after = read_cursor(query.cursor, place_in_log)
        wanted = query.filters
        entries = await list_audit(
            self.pool, **wanted, before_id=after[0] if after else None, limit=query.limit + 1
        )
        total = await count_audit(self.pool, **wanted)
        shown = entries[: query.limit]
        events = await describe_entries(self.pool, shown)
        actors = await list_actors(self.pool, MOST_ACTORS)
        more = visit.here(cursor=write_cursor(shown[-1].id)) if len(entries) > len(shown) else None
        return await visit.show(
            "audit/list.html",
            filters.status,
            asked=asked,
            query=query,
            fault=filters.fault("entries"),
            filters=[
                filter_of("actor", "Actor", plain(actors), asked["actor"]),
                filter_of("object_type", "Object", labelled(OBJECT_KINDS), asked["object_type"]),
                filter_of("source", "Source", plain(SOURCES), asked["source"]),
            ],
            events=[event_view(event, visit) for event in events],
            total=describe_total(total, "entry", filtered=any(wanted.values()), most=MOST_COUNTED),
            more=more,
            csv=visit.here(cursor=None, limit=None).replace("/audit", "/audit.csv", 1),
        )

    async def download(self, visit: Visit) -> web.StreamResponse:
        """The entries that match the filters as a CSV file."""
        wanted = read_export(visit, AuditExportQuery).filters
        return await send_export(visit.request, export_audit(self.pool, wanted), "csv", marked=True)

    async def page(self, visit: Visit) -> web.Response:
        """One entry, by its permanent address."""
        entry = await find_entry(self.pool, entry_id(visit))
        if entry is None:
            raise NotFoundError("The audit entry does not exist.")
        (event,) = await describe_entries(self.pool, [entry])
        return await visit.show(
            "audit/entry.html",
            event=event_view(event, visit),
            entry=entry,
            object=object_view(event),
        )
