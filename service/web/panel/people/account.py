"""The page of the own account: its password and its sessions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from service.admin.errors import SessionNotFoundError
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.domain.people import Admin, Session, TooManyAttemptsError
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as pages print it. `here` is the visitor's own one."""

    session: Session
    browser: str
    here: bool


@dataclass(frozen=True, slots=True)
class SessionList:
    """The sessions of an admin."""

    rows: Sequence[SessionRow]

    @property
    def total(self) -> str:
        return describe_total(len(self.rows), "session")

    @property
    def button(self) -> str:
        """The text of the button that ends several sessions; "" if there are none to end."""
        if all(row.here for row in self.rows):
            return ""
        return "End all others" if any(row.here for row in self.rows) else "End all"


def browser_of(user_agent: str) -> str:
    """The common name of a browser; its user agent if the browser is unknown."""
    browser = next((name for mark, name in BROWSERS if re.search(rf"{mark}\w*/", user_agent)), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return " on ".join(part for part in (browser, system) if part) or user_agent[:60] or "Unknown"


def session_list(sessions: Iterable[Session], here: Session) -> SessionList:
    return SessionList(
        [SessionRow(one, browser_of(one.user_agent), one.id == here.id) for one in sessions]
    )


def new_password(form: Form) -> str:
    """The password of a form that asks for it twice. Raises `FormError`."""
    password = form.get("password", "")
    if password != form.get("again", ""):
        raise FormError({"again": "The passwords do not match."})
    return password


@dataclass(frozen=True, slots=True)
class AccountPages:
    """Read requests, call the use cases, render. Reach the visitor's own account only."""

    people: People
    sessions: Sessions

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/account", self.show),
            PanelPage("POST", "/account/password", self.change_password),
            PanelPage("POST", "/account/sessions/revoke", self.revoke_others),
            PanelPage("POST", "/account/sessions/{session_id}/revoke", self.revoke),
        ]

    async def context(self, visit: Visit) -> dict[str, Any]:
        here = own(visit)
        admin: Admin = await self.people.get(visit.actor, here.admin_id)
        sessions = await self.sessions.list_of(visit.actor, here.admin_id)
        return {"admin": admin, "sessions": session_list(sessions, here)}

    async def show(self, visit: Visit) -> web.Response:
        return await visit.show(
            "people/account.html", values={}, faults={}, **await self.context(visit)
        )

    async def change_password(self, visit: Visit) -> web.Response:
        here, context = own(visit), await self.context(visit)

        async def act(form: Form) -> web.Response:
            current, new = form.get("current", ""), new_password(form)
            await self.people.change_own_password(
                visit.actor, here.admin_id, current, new, keep=here.id
            )
            text = "Your password is changed. Your other sessions have ended."
            return await visit.go(f"{ROOT}/account", notice=text)

        try:
            return await fill_in(visit, "people/account.html", act, **context)
        except TooManyAttemptsError as exc:
            faults = {"current": exc.message}
            return await visit.show("people/account.html", 429, values={}, faults=faults, **context)

    async def revoke(self, visit: Visit) -> web.Response:
        """End one of the visitor's sessions. Those of another admin end on that admin's page."""
        here, session_id = own(visit), visit.id("session_id")
        sessions = await self.sessions.list_of(visit.actor, here.admin_id)
        if session_id not in {one.id for one in sessions}:
            raise SessionNotFoundError
        await self.sessions.revoke(visit.actor, session_id, own_admin_id=here.admin_id)
        return await visit.go(f"{ROOT}/account", notice="The session has ended.")

    async def revoke_others(self, visit: Visit) -> web.Response:
        here = own(visit)
        ended = await self.sessions.revoke_all(
            visit.actor, here.admin_id, own_admin_id=here.admin_id, but=here.id
        )
        return await visit.go(f"{ROOT}/account", notice=f"{ended} other sessions have ended.")


def own(visit: Visit) -> Session:
    assert visit.session is not None
    return visit.session
