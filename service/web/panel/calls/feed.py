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
from service.store.calls.search import CallFilter
from service.store.pool import UNAVAILABLE
from service.web.panel.calls.pages import read
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit

CHECK_SECONDS = 5.0
"""How often it is looked whether the person is still signed in."""


class SignedIn(Protocol):
    """Who is signed in."""

    async def find(self, token: str) -> Session | None: ...


@dataclass(frozen=True, slots=True)
class CallFeedPages:
    """One stream a listener; it ends with the session, and when the service stops."""

    feed: CallFeed
    sessions: SignedIn

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/calls/feed", self.stream)]

    async def stream(self, visit: Visit) -> web.StreamResponse:
        """GET /admin/calls/feed: what changes, from `Last-Event-ID` or `after` on."""
        request = visit.request
        _, query, _ = read(visit)
        since = request.headers.get("Last-Event-ID") or visit.asked("after")
        if request.method == "HEAD":
            return web.Response(content_type="text/event-stream")
        async with sse_response(request, headers={"X-Accel-Buffering": "no"}) as response:
            async with self.feed.listen(since) as listener:
                with contextlib.suppress(ConnectionResetError):
                    await self.tell(visit, response, listener, query.filter)
        return response

    async def tell(
        self,
        visit: Visit,
        response: EventSourceResponse,
        listener: FeedListener,
        wanted: CallFilter,
    ) -> None:
        """Send what is told until it is over."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + CHECK_SECONDS
        while response.is_connected():
            if loop.time() >= look_at:
                if not await self.signed_in(visit):
                    await response.send("", event="end")
                    return
                look_at = loop.time() + CHECK_SECONDS
            try:
                async with asyncio.timeout(max(look_at - loop.time(), 0.01)):
                    item = await listener.queue.get()
            except TimeoutError:
                continue
            if item.kind == "end":
                return
            await self.send(visit, response, item, wanted)

    async def signed_in(self, visit: Visit) -> bool:
        """With PostgreSQL away nobody is sent away: there is nothing to be told then."""
        try:
            return await self.sessions.find(visit.token) is not None
        except UNAVAILABLE:
            return True

    async def send(
        self, visit: Visit, response: EventSourceResponse, item: FeedItem, wanted: CallFilter
    ) -> None:
        """One event. A call that does not fit the filters moves the place on and shows nothing."""
        if item.summary is None:
            await response.send("", event=item.kind)
            return
        fits = wanted.matches(item.summary.call)
        row = ""
        if fits:
            values = {"visit": visit, "item": item.summary}
            row = aiohttp_jinja2.render_string("calls/row.html", visit.request, values)
        event = "call" if fits else "none"
        await response.send(" ".join(row.split()), id=item.place, event=event)
