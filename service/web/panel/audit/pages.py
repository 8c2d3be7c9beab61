"""The audit in the panel: who changed what, from what to what, with the way back."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.timeline import describe_entries
from service.domain.audit import OBJECT_KINDS, page_of
from service.domain.errors import NotFoundError
from service.domain.texts import is_all
from service.store.audit import find_entry, list_actors, list_audit
from service.store.pool import Pool
from service.web.panel.audit.undo import entry_id
from service.web.panel.kit.forms import LOCAL, FormError, judge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.shapes.audit import AuditQuery
from service.web.shapes.paging import place_in_log, read_cursor, write_cursor

MOST_ACTORS = 100
SOURCES = ("web", "api", "cli", "system")


@dataclass(frozen=True, slots=True)
class AuditPages:
    """Reads requests, reads the audit, renders."""

    pool: Pool

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/audit", self.list_page),
            PanelPage("GET", "/audit/{audit_id}", self.page),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The entries that fit, newest first."""
        asked = {name: visit.asked(name) for name in AuditQuery.model_fields}
        given = {name: text for name, text in asked.items() if text}
        for name in ("since", "until"):
            if is_all(LOCAL, asked[name]):
                given[name] = f"{asked[name][:16]}:00Z"
        faults: dict[str, str] = {}
        try:
            query = judge(AuditQuery, given)
        except FormError as exc:
            query, faults = AuditQuery(), dict(exc.faults)
        after = read_cursor(query.cursor, place_in_log)
        entries = await list_audit(
            self.pool,
            object_type=query.object_type,
            object_id=query.object_id,
            actor=query.actor,
            source=query.source,
            action=query.action,
            since=query.since,
            until=query.until,
            before_id=after[0] if after else None,
            limit=query.limit + 1,
        )
        shown = entries[: query.limit]
        more = visit.here(cursor=write_cursor(shown[-1].id)) if len(entries) > len(shown) else None
        return await visit.show(
            "audit/list.html",
            422 if faults else 200,
            asked=asked,
            query=query,
            faults=faults,
            events=await describe_entries(self.pool, shown),
            more=more,
            actors=await list_actors(self.pool, MOST_ACTORS),
            sources=SOURCES,
            kinds=OBJECT_KINDS,
        )

    async def page(self, visit: Visit) -> web.Response:
        """One entry, by its permanent address."""
        entry = await find_entry(self.pool, entry_id(visit))
        if entry is None:
            raise NotFoundError("There is no such entry.")
        (event,) = await describe_entries(self.pool, [entry])
        return await visit.show("audit/entry.html", event=event, page=page_of(entry))
