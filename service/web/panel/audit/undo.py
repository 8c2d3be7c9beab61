"""The button that undoes a change, in a notice, a timeline or the audit log."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.undo import Undo, Undone
from service.domain.audit import page_of
from service.domain.errors import NotFoundError
from service.web.panel.kit.charts import counted
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit


def entry_id(visit: Visit) -> int:
    """The entry's id from the path. Raises `NotFoundError` for an invalid one."""
    text = visit.request.match_info["audit_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFoundError("This page does not exist.")
    return int(text)


def notice_of(undone: Undone) -> str:
    """What was undone; of an import also the rows that are left."""
    rows = undone.rows
    if rows is None:
        return "The change was undone."
    text = f"Rows undone: {counted(rows.undone)}."
    if rows.left:
        more = ", …" if rows.left > len(rows.named) else ""
        text += f" Left as they are: {counted(rows.left)}: {', '.join(rows.named)}{more}."
    return f"{text} More rows are to be undone: undo again." if rows.is_unfinished else text


@dataclass(frozen=True, slots=True)
class UndoPages:
    """One button."""

    undoing: Undo

    def pages(self) -> list[PanelPage]:
        return [PanelPage("POST", "/undo/{audit_id}", self.undo, "support", is_long=True)]

    async def undo(self, visit: Visit) -> web.Response:
        undone = await self.undoing.undo(visit.actor, entry_id(visit))
        page = page_of(undone.entry) or f"audit/{undone.entry.id}"
        return await visit.go(
            f"{ROOT}/{page}",
            notice=notice_of(undone),
            undo=None if undone.rows else undone.audit_id,
        )
