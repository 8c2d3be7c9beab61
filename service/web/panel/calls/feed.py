"""The live feed of calls as server-sent events: one row a call, resumed by `Last-Event-ID`."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Protocol

import aiohttp_jinja2
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from service.admin.calls.feed import CallFeed, FeedItem, FeedListener
from service.domain.people import Session
from service.store.calls.listing.filters import CallFilter
from service.store.pool import UNAVAILABLE
from service.web.panel.calls.views import call_row
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import Visit
from service.web.shapes.calls import CallsQuery

CHECK_SECONDS = 5.0
"""Seconds between two checks of the session."""


class SignedIn(Protocol):
    """The reader of sessions."""

    async def find(self, token: str) -> Session | None: ...


@dataclass(frozen=True, slots=True)
class CallFeedPages:
    """One stream per listener. It ends with the session or its role, and when the service stops."""

    feed: CallFeed
    sessions: SignedIn

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/calls/feed", self.stream, is_long=True)]

    async def stream(self, visit: Visit) -> web.StreamResponse:
        """GET /admin/calls/feed: changed calls from `Last-Event-ID` or `after` on."""
        request = visit.request
        query = read_filters(visit, CallsQuery).query
        since = request.headers.get("Last-Event-ID") or visit.asked("after")
        if request.method == "HEAD":
            return web.Response(content_type="text/event-stream")
        async with sse_response(request, headers={"X-Accel-Buffering": "no"}) as response:
            async with self.feed.listen(since) as listener:
                with contextlib.suppress(ConnectionResetError):
                    await self.follow(visit, response, listener, query.filter)
        return response

    async def follow(
        self,
        visit: Visit,
        response: EventSourceResponse,
        listener: FeedListener,
        wanted: CallFilter,
    ) -> None:
        """Send events until the session or its role ends, the browser leaves or the service stops."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + CHECK_SECONDS
        while response.is_connected():
            if loop.time() >= check_at:
                if not await self.signed_in(visit):
                    await response.send("", event="end")
                    return
                check_at = loop.time() + CHECK_SECONDS
            try:
                async with asyncio.timeout(max(check_at - loop.time(), 0.01)):
                    item = await listener.queue.get()
            except TimeoutError:
                continue
            if item.kind == "end":
                return
            await self.send(visit, response, item, wanted)

    async def signed_in(self, visit: Visit) -> bool:
        """Whether the session still exists, with the role that decides what the stream shows. While
        PostgreSQL is down the stream stays open and idle."""
        try:
            found = await self.sessions.find(visit.token)
        except UNAVAILABLE:
            return True
        here = visit.session
        return found is not None and here is not None and found.role == here.role

    async def send(
        self, visit: Visit, response: EventSourceResponse, item: FeedItem, wanted: CallFilter
    ) -> None:
        """Send one event. A call that does not match the filters, or no longer, leaves the list."""
        if item.summary is None:
            await response.send("", event=item.kind)
            return
        call = item.summary.call
        if not wanted.matches(call):
            await response.send(str(call.id), id=item.place, event="gone")
            return
        values = {"it": call_row(item.summary, whole=visit.may("admin"))}
        row = aiohttp_jinja2.render_string("calls/row.html", visit.request, values)
        await response.send(" ".join(row.split()), id=item.place, event="call")
