"""Unknown numbers in the panel: they call us and are not registered. Register one or ignore it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from policies.host.ids import canonical_id, is_vapi_id
from service.admin.changes import RecordedChanges
from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.domain.errors import NotFoundError
from service.store.phone_numbers.unknown_numbers import MOST_COUNTED, UnknownNumber
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.paging import place_in_time, read_cursor, write_cursor

PER_PAGE = 50


def vapi_id_of(visit: Visit) -> str:
    """The number's id at Vapi from the path. Raises `NotFoundError` for an invalid one."""
    found = visit.request.match_info["vapi_phone_number_id"]
    if not is_vapi_id(found):
        raise NotFoundError("This page does not exist.")
    return canonical_id(found)


@dataclass(frozen=True, slots=True)
class UnknownNumberRow:
    """An unknown number as the page prints it. `name` is its number or, without one, its id."""

    unknown: UnknownNumber

    @property
    def vapi_id(self) -> str:
        return self.unknown.vapi_phone_number_id

    @property
    def calls(self) -> str:
        """The list of its calls."""
        return f"{ROOT}/calls?{urlencode({'search': self.vapi_id})}"

    @property
    def number(self) -> str:
        return self.unknown.number or "—"

    @property
    def name(self) -> str:
        return self.unknown.number or self.vapi_id


@dataclass(frozen=True, slots=True)
class UnknownNumberPages:
    """Read requests, call the use cases, render. A number is registered on the page that adds one."""

    unknown: UnknownNumbers

    def pages(self) -> list[PanelPage]:
        one = "/unknown-numbers/{vapi_phone_number_id}"
        return [
            PanelPage("GET", "/unknown-numbers", self.list_page),
            PanelPage("POST", f"{one}/ignore", self.ignore, "admin"),
            PanelPage("POST", f"{one}/heed", self.unignore, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The numbers by their last call, newest first. Ignored ones have a page of their own."""
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
        total = await self.unknown.count(ignored=ignored)
        noun = "ignored number" if ignored else "unknown number"
        return await visit.show(
            "unknown_numbers/list.html",
            rows=[UnknownNumberRow(unknown) for unknown in shown],
            total=describe_total(total, noun, most=MOST_COUNTED),
            ignored=ignored,
            more=visit.here(cursor=cursor) if cursor else None,
        )

    async def ignore(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        await self.unknown.ignore(noted, vapi_id_of(visit))
        return await back(visit, noted, "The number is ignored.")

    async def unignore(self, visit: Visit) -> web.Response:
        noted = RecordedChanges.of(visit.actor)
        await self.unknown.unignore(noted, vapi_id_of(visit))
        return await back(visit, noted, "The number is no longer ignored.")


async def back(visit: Visit, noted: RecordedChanges, text: str) -> web.Response:
    undo = noted.entries[-1] if noted.entries else None
    return await visit.go(f"{ROOT}/unknown-numbers", notice=text, undo=undo)
