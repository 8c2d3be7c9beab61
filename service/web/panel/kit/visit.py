"""A request to the panel: its session, its form, and ways to respond."""

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import aiohttp_jinja2
from aiohttp import web

from policies.host.ids import find_uuid
from service.admin.actor import Actor
from service.domain.errors import NotFoundError
from service.domain.people import Client, Session
from service.store.people.tokens import Role
from service.store.pool import UNAVAILABLE
from service.web.panel.kit.fields import FormFaults
from service.web.panel.kit.forms import Form
from service.web.panel.kit.navigation import MenuLink, menu_of

ROOT = "/admin"
RANKS: dict[Role, int] = {"viewer": 0, "support": 1, "admin": 2}


class Notices(Protocol):
    """The store of notices for the next page."""

    async def leave_notice(self, session_id: UUID, notice: dict[str, Any]) -> None: ...

    async def take_notice(self, session_id: UUID) -> None: ...


def csrf_of(token: str) -> str:
    """The token in the forms of a session. It derives from the cookie, which other sites cannot read."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Visit:
    """A request with its session. `token` is the value of the session cookie."""

    request: web.Request
    notices: Notices
    session: Session | None = None
    token: str = ""
    posted: Form | None = None
    files: dict[str, web.FileField] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """The actor. Pages that need no session have none."""
        assert self.session is not None
        session = self.session
        return Actor(session.name, session.role, "web", admin_id=session.admin_id)

    @property
    def client(self) -> Client:
        """The client, for the list of sessions and for the throttle against guessing."""
        agent = self.request.headers.get("User-Agent", "")[:300]
        return Client(self.request.remote or "", "".join(c for c in agent if c.isprintable()))

    @property
    def csrf(self) -> str:
        return csrf_of(self.token) if self.token else ""

    @property
    def partial(self) -> bool:
        """Whether htmx fetches a part of a page. Going back in history, it fetches the whole page."""
        headers = self.request.headers
        return "HX-Request" in headers and "HX-History-Restore-Request" not in headers

    @property
    def theme(self) -> str:
        """The chosen theme; "" follows the system."""
        chosen = self.request.cookies.get("callgate_theme", "")
        return chosen if chosen in ("light", "dark") else ""

    @property
    def is_admin(self) -> bool:
        """Whether the visitor has the role admin."""
        return self.may("admin")

    @property
    def is_support(self) -> bool:
        """Whether the visitor has at least the role support."""
        return self.may("support")

    @property
    def menu(self) -> list[tuple[str, list[MenuLink]]]:
        """The menu with this page's entry marked."""
        path = self.request.path.removeprefix(ROOT)
        return menu_of(ROOT, path, is_admin=self.is_admin)

    @property
    def shows_banners(self) -> bool:
        """Whether this page has banners. The overview lists the conditions itself."""
        return self.session is not None and self.request.path != ROOT

    @property
    def on_account(self) -> bool:
        """Whether this is the page of the visitor's own account."""
        return self.request.path == f"{ROOT}/account"

    def may(self, role: Role) -> bool:
        """Whether the visitor has at least this role."""
        return self.session is not None and RANKS[self.session.role] >= RANKS[role]

    def id(self, name: str) -> UUID:
        """An id from the path. Raises `NotFoundError` for an invalid one."""
        found = find_uuid(self.request.match_info[name])
        if found is None:
            raise NotFoundError("This page does not exist.")
        return found

    def asked(self, name: str) -> str:
        """A query parameter without surrounding spaces; "" if it is absent."""
        text = self.request.query.get(name, "").replace("\x00", "").strip()
        return text.encode("utf-8", "ignore").decode()

    def asked_id(self, name: str) -> UUID | None:
        """An id in the query; an invalid one counts as absent."""
        return find_uuid(self.asked(name))

    def here(self, **changes: object) -> str:
        """This page's address with changed query parameters; None and "" remove one."""
        query = {**self.request.query, **changes}
        kept = {key: str(value) for key, value in query.items() if value not in (None, "")}
        return str(self.request.rel_url.with_query(kept))

    async def form(self) -> Form:
        """The texts of the form; its files are in `files`."""
        assert self.posted is not None, "only requests that change something have a form"
        return self.posted

    async def show(self, template: str, status: int = 200, **context: Any) -> web.Response:
        """Render a page, with the notice that the previous request left."""
        notice = None
        if self.session is not None and self.session.notice and not self.partial:
            notice = self.session.notice
            # While PostgreSQL is away the next page shows it again: better than no page.
            with suppress(*UNAVAILABLE):
                await self.notices.take_notice(self.session.id)
        faults = FormFaults(context.pop("faults", {}))
        faults.updates = context.pop("updates", ())
        values = {
            "visit": self,
            "notice": notice,
            "status": status,
            **context,
            "faults": faults,
        }
        return aiohttp_jinja2.render_template(template, self.request, values, status=status)

    async def go(
        self, address: str, *, notice: str | None = None, undo: int | None = None
    ) -> web.Response:
        """Redirect the browser. The next page shows `notice`, with a button that undoes the audit entry
        `undo`."""
        if notice is not None and self.session is not None:
            await self.notices.leave_notice(self.session.id, {"text": notice, "undo": undo})
        if self.partial:
            return web.Response(headers={"HX-Redirect": address})
        return web.Response(status=303, headers={"Location": address})
