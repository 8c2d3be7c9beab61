"""Taking a change back with one button, from a notice, a timeline or the audit."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.undo import Undo
from service.domain.errors import NotFoundError
from service.store.audit import AuditEntry
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit

PLACES = {"organization": "organizations", "phone_number": "numbers", "import": "numbers/import"}


def place_of(entry: AuditEntry) -> str:
    """Where what an entry is about is shown."""
    family = PLACES.get(entry.object_type)
    if family is not None:
        return f"{ROOT}/{family}/{entry.object_id}"
    if entry.object_type == "unknown_number":
        return f"{ROOT}/unknown-numbers"
    return f"{ROOT}/audit/{entry.id}"


def entry_id(visit: Visit) -> int:
    """The id in the path; raises `NotFoundError` for what is none."""
    text = visit.request.match_info["audit_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFoundError("There is no such page.")
    return int(text)


@dataclass(frozen=True, slots=True)
class UndoPages:
    """One button."""

    undoing: Undo

    def pages(self) -> list[PanelPage]:
        return [PanelPage("POST", "/undo/{audit_id}", self.undo, "support")]

    async def undo(self, visit: Visit) -> web.Response:
        undone = await self.undoing.undo(visit.actor, entry_id(visit))
        return await visit.go(
            place_of(undone.entry), notice="The change was taken back.", undo=undone.audit_id
        )
