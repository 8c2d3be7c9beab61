"""Calls in the panel: the list with its filters, and the timeline of one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from service.admin.calls.feed import CallFeed
from service.admin.calls.story import CallStories
from service.domain.call_records.details import is_telling
from service.domain.calls import HangupState
from service.domain.decisions import DEFAULT
from service.domain.wording.labels import label_slug
from service.store.calls.feed import CallSummary
from service.store.calls.listing import search
from service.store.calls.listing.rows import CallNames, find_names
from service.store.calls.privacy.transcripts import find_transcript
from service.store.pool import Pool
from service.web.exports.calls import export_calls
from service.web.exports.export import send_export
from service.web.panel.calls.views import call_row, call_view
from service.web.panel.kit.choices import ACCESS_REASONS, Filter, filter_of, labelled
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_export, read_filters
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.calls import CallsExportQuery, CallsQuery
from service.web.shapes.paging import place_in_time, read_cursor, write_cursor

REASONS = (*ACCESS_REASONS, "unknown_phone_number")
GATES = ("event", "request", "ring")
DIRECTIONS = ("inbound", "outbound", "web")
CONNECTIONS = [("true", "Refused"), ("false", "Not refused")]
HANGUPS = tuple(state.value for state in HangupState)
FILTERS = (
    "search",
    "organization_id",
    "phone_number_id",
    "blocked",
    "reason",
    "gate",
    "direction",
    "live",
    "refused",
    "diverted",
    "unanswered",
    "policy",
    "hangup",
    "claimed_since",
)


@dataclass(frozen=True, slots=True)
class CallPages:
    """Read requests, read calls, render."""

    pool: Pool
    stories: CallStories
    feed: CallFeed

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/calls", self.list_page),
            PanelPage("GET", "/calls.csv", self.download, is_long=True),
            PanelPage("GET", "/calls/{call_id}", self.page),
            PanelPage("GET", "/calls/{call_id}/story", self.story),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """Calls that match the filters, newest first. The live feed adds new ones to the page."""
        filters = read_filters(visit, CallsQuery)
        asked, query = filters.asked, filters.query
        # Before the list is read: a change in between appears twice rather than never.
        place = await self.feed.place()
        after = read_cursor(query.cursor, place_in_time, UUID)
        found = await search.find_page(
            self.pool,
            query.filter,
            search=query.search,
            whole=visit.may("admin"),
            after=(after[0], after[1]) if after else None,
            limit=query.limit,
        )
        total = ""
        if not query.search:
            counted = await search.count_calls(self.pool, query.filter)
            total = describe_total(
                search.MOST_LOOKED_AT + 1 if counted is None else counted,
                "call",
                filtered=any(asked[name] for name in (*FILTERS, "since", "until")),
                most=search.MOST_LOOKED_AT,
            )
        names = await find_names(self.pool, [call.id for call in found.calls])
        rows = [
            call_row(CallSummary(call, names.get(call.id, CallNames())), whole=visit.may("admin"))
            for call in found.calls
        ]
        more = None
        if found.next is not None:
            more = visit.here(cursor=write_cursor(found.next[0].isoformat(), found.next[1]))
        past = query.since or query.until or query.claimed_since
        live = not (query.search or past or query.cursor or filters.faults)
        return await visit.show(
            "calls/list.html",
            filters.status,
            asked=asked,
            query=query,
            fault=filters.fault("calls"),
            filters=drop_downs(asked),
            only=describe_owner(asked),
            total=total,
            rows=rows,
            more=more,
            searched_to=found.next[0] if found.next and len(rows) < query.limit else None,
            feed=feed_address(visit, asked, place) if live else None,
            recount=visit.here(cursor=None, limit=1),
            filtered=any(asked[name] for name in (*FILTERS, "since", "until")),
            csv=visit.here(cursor=None, limit=None).replace("/calls", "/calls.csv", 1),
        )

    async def download(self, visit: Visit) -> web.StreamResponse:
        """The calls that match the filters as a CSV file."""
        query = read_export(visit, CallsExportQuery)
        export = export_calls(
            self.pool, query.filter, role=visit.actor.role, search_text=query.search
        )
        return await send_export(visit.request, export, "csv", marked=True)

    async def page(self, visit: Visit) -> web.Response:
        """One call with its timeline. Until the call is over the page asks for it again."""
        return await self.show(visit, "calls/page.html")

    async def story(self, visit: Visit) -> web.Response:
        """What changes of a call while its page is open."""
        return await self.show(visit, "calls/story.html")

    async def show(self, visit: Visit, template: str) -> web.Response:
        story = await self.stories.get(visit.id("call_id"))
        call, said = story.call, None
        if visit.may("admin"):
            said = await find_transcript(self.pool, call.vapi_call_id, call.organization_id)
        return await visit.show(
            template,
            call=call,
            view=call_view(story, whole=visit.may("admin")),
            said=said,
            may_forget=visit.may("admin") and is_telling(call.details.customer_number or ""),
        )


def drop_downs(asked: Mapping[str, str]) -> list[Filter]:
    outcomes = [("true", "Blocked"), ("false", "Not blocked")]
    going_on = [("true", "Under way"), ("false", "Not under way")]
    return [
        filter_of("blocked", "Outcome", outcomes, asked["blocked"]),
        filter_of("reason", "Reason", labelled(REASONS), asked["reason"]),
        filter_of("gate", "Gate", labelled(GATES), asked["gate"]),
        filter_of("direction", "Direction", labelled(DIRECTIONS), asked["direction"]),
        filter_of("refused", "Connection", CONNECTIONS, asked["refused"]),
        filter_of("diverted", "Diverted", [("true", "Yes"), ("false", "No")], asked["diverted"]),
        filter_of("live", "Now", going_on, asked["live"]),
        filter_of("hangup", "Hang-up", labelled(HANGUPS), asked["hangup"]),
        filter_of("unanswered", "Answer", [("true", "Not answered")], asked["unanswered"]),
    ]


def describe_owner(asked: Mapping[str, str]) -> str:
    """Whose calls the list shows, where no field of the form says it; "" for all calls."""
    if asked["claimed_since"]:
        return "Only calls for which messages named two organizations lately."
    if asked["policy"]:
        policy = asked["policy"]
        by = "no policy" if policy == DEFAULT else f"the policy {label_slug(policy)}"
        return f"Only calls that {by} decided."
    if asked["phone_number_id"]:
        return "Only calls of one phone number."
    return "Only calls of one organization." if asked["organization_id"] else ""


def feed_address(visit: Visit, asked: Mapping[str, str], place: str) -> str:
    """The address of the live feed with the filters of the list."""
    kept = {name: asked[name] for name in FILTERS if asked[name]}
    feed = visit.request.rel_url.with_path(f"{ROOT}/calls/feed")
    return str(feed.with_query({**kept, "after": place}))
