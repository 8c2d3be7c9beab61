"""Forgetting the caller of a call, in the panel: what would be removed, and the button."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.calls.callers import Callers
from service.admin.calls.story import CallStories
from service.domain.calls import Call
from service.domain.errors import NotFoundError
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit


@dataclass(frozen=True, slots=True)
class CallerForgettingPages:
    """Read requests, call the use case, render."""

    stories: CallStories
    callers: Callers

    def pages(self) -> list[PanelPage]:
        address = "/calls/{call_id}/forget"
        return [
            PanelPage("GET", address, self.page, "admin", is_long=True),
            PanelPage("POST", address, self.forget, "admin", is_long=True),
        ]

    async def page(self, visit: Visit) -> web.Response:
        """How many records there are of the caller."""
        call, number = await self.find(visit)
        found = await self.callers.count(visit.actor, number)
        return await visit.show("calls/forget.html", call=call, number=number, found=found)

    async def forget(self, visit: Visit) -> web.Response:
        call, number = await self.find(visit)
        removed = await self.callers.forget(visit.actor, number)
        calls = f"{removed.calls} {'call' if removed.calls == 1 else 'calls'}"
        again = ""
        if removed.waiting:
            again = (
                f" Not forgotten yet: {removed.waiting} on the way to PostgreSQL. Repeat it later."
            )
        notice = f"The caller was removed from {calls}.{again}"
        return await visit.go(f"{ROOT}/calls/{call.id}", notice=notice)

    async def find(self, visit: Visit) -> tuple[Call, str]:
        """The call and its caller's number. Raises `NotFoundError` if it has none (any more)."""
        call = (await self.stories.get(visit.id("call_id"))).call
        number = call.details.customer_number
        if not number:
            raise NotFoundError("This call has no caller's number.")
        return call, number
