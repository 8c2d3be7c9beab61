"""One request of a person to the panel: who it is, what was sent, and how to answer."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import aiohttp_jinja2
from aiohttp import web

from service.admin.actor import Actor
from service.domain.errors import NotFoundError
from service.domain.people import Client, Session
from service.store.people.tokens import Role
from service.web.panel.kit.forms import Form

ROOT = "/admin"
RANKS: dict[Role, int] = {"viewer": 0, "support": 1, "admin": 2}


class Notices(Protocol):
    """Where a word for the next page waits."""

    async def leave_notice(self, session_id: UUID, notice: dict[str, Any]) -> None: ...

    async def take_notice(self, session_id: UUID) -> None: ...


def csrf_of(token: str) -> str:
    """What forms of a session carry: it follows from the cookie, which no other site can read."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Visit:
    """A request, with the session it belongs to. `token` is the session cookie's value."""

    request: web.Request
    notices: Notices
    session: Session | None = None
    token: str = ""
    posted: Form | None = None
    files: dict[str, web.FileField] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """Who asks. Only pages that need no role have none, and do not ask."""
        assert self.session is not None
        return Actor(self.session.name, self.session.role, "web")

    @property
    def client(self) -> Client:
        """Where the request comes from, for the list of sessions and against guessing."""
        agent = self.request.headers.get("User-Agent", "")[:300]
        return Client(self.request.remote or "", "".join(c for c in agent if c.isprintable()))

    @property
    def csrf(self) -> str:
        return csrf_of(self.token) if self.token else ""

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a part of a page; going back in history it wants the whole."""
        headers = self.request.headers
        return "HX-Request" in headers and "HX-History-Restore-Request" not in headers

    @property
    def theme(self) -> str:
        """The theme that was chosen; "" follows the system."""
        chosen = self.request.cookies.get("callgate_theme", "")
        return chosen if chosen in ("light", "dark") else ""

    def may(self, role: Role) -> bool:
        """Whether the person has at least this role."""
        return self.session is not None and RANKS[self.session.role] >= RANKS[role]

    def id(self, name: str) -> UUID:
        """An id out of the path; raises `NotFoundError` for what is none."""
        try:
            return UUID(self.request.match_info[name])
        except ValueError:
            raise NotFoundError("There is no such page.") from None

    def asked(self, name: str) -> str:
        """A query parameter without the spaces around it; "" if it is not there."""
        text = self.request.query.get(name, "").replace("\x00", "").strip()
        return text.encode("utf-8", "ignore").decode()

    def here(self, **changes: object) -> str:
        """This page's address with other query parameters; None and "" remove one."""
        query = {**self.request.query, **changes}
        kept = {key: str(value) for key, value in query.items() if value not in (None, "")}
        return str(self.request.rel_url.with_query(kept))

    async def form(self) -> Form:
        """The texts of the form that was posted; its files are in `files`."""
        assert self.posted is not None, "only requests that change something have a form"
        return self.posted

    async def show(self, template: str, status: int = 200, **context: Any) -> web.Response:
        """Render a page, with the notice that an earlier request left for it."""
        notice = None
        if self.session is not None and self.session.notice and not self.partial:
            notice = self.session.notice
            await self.notices.take_notice(self.session.id)
        values = {"visit": self, "notice": notice, "status": status, **self.context, **context}
        return aiohttp_jinja2.render_template(template, self.request, values, status=status)

    async def go(
        self, address: str, *, notice: str | None = None, undo: int | None = None
    ) -> web.Response:
        """Send the browser elsewhere; `notice` is said there, with a button to take back `undo`, an
        entry of the audit log."""
        if notice is not None and self.session is not None:
            await self.notices.leave_notice(self.session.id, {"text": notice, "undo": undo})
        if self.partial:
            return web.Response(headers={"HX-Redirect": address})
        return web.Response(status=303, headers={"Location": address})
