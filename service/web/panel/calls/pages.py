"""Calls in the panel: the list with its filters, one call's whole story."""

from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from service.admin.calls.feed import CallFeed
from service.admin.calls.story import CallStories
from service.domain.texts import is_all
from service.domain.wording.calls import describe_call, describe_call_step, describe_end
from service.store.calls import search
from service.store.calls.feed import CallSummary
from service.store.calls.search import CallNames
from service.store.pool import Pool
from service.web.panel.kit.forms import LOCAL, FormError, judge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.shapes.calls import CallsQuery
from service.web.shapes.paging import place_in_time, read_cursor, write_cursor

REASONS = (
    "plan_active",
    "plan_paid_until",
    "plan_in_grace",
    "trial_active",
    "override_allow",
    "override_deny",
    "trial_expired",
    "plan_ended",
    "plan_past_due",
    "plan_paused",
    "no_plan_or_trial",
    "unknown_phone_number",
)
GATES = ("event", "request", "ring")
FILTERS = ("search", "organization_id", "phone_number_id", "blocked", "reason", "gate")


def read(visit: Visit) -> tuple[dict[str, str], CallsQuery, dict[str, str]]:
    """The filters in the address: as asked, as understood, and what is wrong with them."""
    asked = {name: visit.asked(name) for name in CallsQuery.model_fields}
    given = {name: text for name, text in asked.items() if text}
    for name in ("since", "until"):
        if is_all(LOCAL, asked[name]):
            given[name] = f"{asked[name][:16]}:00Z"
    try:
        return asked, judge(CallsQuery, given), {}
    except FormError as exc:
        return asked, CallsQuery(), dict(exc.faults)


@dataclass(frozen=True, slots=True)
class CallPages:
    """Reads requests, reads calls, renders."""

    pool: Pool
    stories: CallStories
    feed: CallFeed

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/calls", self.list_page),
            PanelPage("GET", "/calls/{call_id}", self.page),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """Calls that fit, newest first; those that come while one looks arrive by themselves."""
        asked, query, faults = read(visit)
        # Before the list is read: what changes meanwhile is told, perhaps twice, and not missed.
        place = await self.feed.place()
        after = read_cursor(query.cursor, place_in_time, UUID)
        found = await search.find_page(
            self.pool,
            query.filter,
            search=query.search,
            after=(after[0], after[1]) if after else None,
            limit=query.limit,
        )
        names = await search.find_names(self.pool, [call.id for call in found.calls])
        rows = [CallSummary(call, names.get(call.id, CallNames())) for call in found.calls]
        more = None
        if found.next is not None:
            more = visit.here(cursor=write_cursor(found.next[0].isoformat(), found.next[1]))
        live = not (query.search or query.since or query.until or query.cursor or faults)
        kept = {name: asked[name] for name in FILTERS if asked[name]}
        return await visit.show(
            "calls/list.html",
            422 if faults else 200,
            asked=asked,
            query=query,
            faults=faults,
            rows=rows,
            more=more,
            looked_back_to=found.next[0] if found.next and len(rows) < query.limit else None,
            feed=str(
                visit.request.rel_url.with_path("/admin/calls/feed").with_query(
                    {**kept, "after": place}
                )
            )
            if live
            else None,
            reasons=REASONS,
            gates=GATES,
            filtered=any(asked[name] for name in (*FILTERS, "since", "until")),
        )

    async def page(self, visit: Visit) -> web.Response:
        """One call's story."""
        story = await self.stories.get(visit.id("call_id"))
        steps = [(step, *describe_call_step(step)) for step in story.steps]
        return await visit.show(
            "calls/page.html",
            call=story.call,
            names=story.names,
            headline=describe_call(story.call, story.names.organization_name),
            aftermath=describe_end(story.call),
            steps=steps,
        )
