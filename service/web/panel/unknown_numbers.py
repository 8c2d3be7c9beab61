"""Unknown numbers in the panel: they call us, and nobody registered them. Claim one or put it aside."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.domain.errors import NotFoundError
from service.domain.texts import is_all
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.fields import VAPI_ID
from service.web.shapes.paging import place_in_time, read_cursor, write_cursor

PER_PAGE = 50


def vapi_id_of(visit: Visit) -> str:
    """The number's id at Vapi out of the path; raises `NotFoundError` for what is none."""
    found = visit.request.match_info["vapi_phone_number_id"]
    if not is_all(VAPI_ID, found):
        raise NotFoundError("There is no such page.")
    return found


@dataclass(frozen=True, slots=True)
class UnknownNumberPages:
    """Reads requests, calls the use cases, renders. Claiming one is adding it, like any other."""

    unknown: UnknownNumbers

    def pages(self) -> list[PanelPage]:
        one = "/unknown-numbers/{vapi_phone_number_id}"
        return [
            PanelPage("GET", "/unknown-numbers", self.list_page),
            PanelPage("POST", f"{one}/ignore", self.ignore, "admin"),
            PanelPage("POST", f"{one}/heed", self.heed, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The last to call first; those that were put aside on a page of their own."""
        ignored = visit.asked("ignored") == "true"
        after = read_cursor(visit.asked("cursor") or None, place_in_time, str)
        found = await self.unknown.list_page(
            ignored=ignored, after=(after[0], after[1]) if after else None, limit=PER_PAGE + 1
        )
        shown = found[:PER_PAGE]
        cursor = None
        if len(found) > PER_PAGE:
            cursor = write_cursor(
                shown[-1].last_seen_at.isoformat(), shown[-1].vapi_phone_number_id
            )
        return await visit.show(
            "unknown_numbers/list.html",
            found=shown,
            ignored=ignored,
            more=visit.here(cursor=cursor) if cursor else None,
        )

    async def ignore(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        await self.unknown.ignore(noted, vapi_id_of(visit))
        return await back(visit, noted, "Put aside.")

    async def heed(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        await self.unknown.unignore(noted, vapi_id_of(visit))
        return await back(visit, noted, "Taken up again.")


async def back(visit: Visit, noted: RecordedChanges, text: str) -> web.Response:
    undo = noted.entries[-1] if noted.entries else None
    return await visit.go(f"{ROOT}/unknown-numbers", notice=text, undo=undo)
