"""The pages of admins: the list, adding one, an admin's role, password and sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from policies.host.ids import find_uuid
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.domain.people import ROLES, Admin, Role
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.people.account import new_password, session_list
from service.web.shapes.bodies import RequestBody

PAGE_SIZE = 50

MEANINGS: Mapping[Role, str] = {
    "viewer": "Viewer: reads everything, changes nothing",
    "support": "Support: also sets overrides of up to 7 days",
    "admin": "Admin: does everything",
}


class RoleForm(RequestBody):
    """The form that chooses a role."""

    role: Role


@dataclass(frozen=True, slots=True)
class AdminRow:
    """An admin as pages print it. `own` is the visitor's own account."""

    admin: Admin
    own: bool

    @property
    def signs_in_with(self) -> str:
        ways = [("Password", self.admin.has_password), ("Provider", self.admin.subject)]
        return ", ".join(name for name, has in ways if has)

    @property
    def role_hint(self) -> str:
        text = "It takes effect at once, in open sessions too."
        if self.admin.subject:
            text += " The sign-in provider sets it again at every sign-in."
        return text


def admin_row(visit: Visit, admin: Admin) -> AdminRow:
    assert visit.session is not None
    return AdminRow(admin, admin.id == visit.session.admin_id)


def role_choices() -> list[tuple[Role, str]]:
    return [(role, MEANINGS[role]) for role in ROLES]


@dataclass(frozen=True, slots=True)
class PeoplePages:
    """Read requests, call the use cases, render."""

    people: People
    sessions: Sessions

    def pages(self) -> list[PanelPage]:
        one = "/people/{admin_id}"
        return [
            PanelPage("GET", "/people", self.list_page, "admin"),
            PanelPage("GET", "/people/new", self.new, "admin"),
            PanelPage("POST", "/people/new", self.create, "admin"),
            PanelPage("GET", one, self.show, "admin"),
            PanelPage("POST", f"{one}/role", self.change_role, "admin"),
            PanelPage("POST", f"{one}/password", self.set_password, "admin"),
            PanelPage("POST", f"{one}/disable", self.disable, "admin"),
            PanelPage("POST", f"{one}/enable", self.enable, "admin"),
            PanelPage("POST", f"{one}/sessions/revoke", self.revoke_all, "admin"),
            PanelPage("POST", f"{one}/sessions/{{session_id}}/revoke", self.revoke, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        after = find_uuid(visit.asked("after"))
        found = await self.people.list_page(visit.actor, after=after, limit=PAGE_SIZE + 1)
        shown = found[:PAGE_SIZE]
        more = visit.here(after=shown[-1].id) if len(found) > PAGE_SIZE else None
        rows = [admin_row(visit, admin) for admin in shown]
        total = describe_total(await self.people.count(visit.actor), "admin")
        return await visit.show("people/list.html", rows=rows, total=total, more=more)

    async def new(self, visit: Visit) -> web.Response:
        values = {"role": "viewer"}
        return await visit.show("people/new.html", values=values, faults={}, choices=role_choices())

    async def create(self, visit: Visit) -> web.Response:
        async def act(form: Form) -> web.Response:
            admin = await self.people.create(
                visit.actor,
                name=text_of(form, "name"),
                role=read(RoleForm, form).role,
                password=new_password(form),
            )
            return await visit.go(f"{ROOT}/people/{admin.id}", notice=f"{admin.name} may sign in.")

        return await fill_in(visit, "people/new.html", act, choices=role_choices())

    async def context(self, visit: Visit, admin: Admin) -> dict[str, Any]:
        """The context of an admin's page."""
        assert visit.session is not None
        sessions = await self.sessions.list_of(visit.actor, admin.id)
        return {
            "row": admin_row(visit, admin),
            "sessions": session_list(sessions, visit.session),
            "choices": role_choices(),
            "values": {"role": admin.role},
        }

    async def admin(self, visit: Visit) -> Admin:
        return await self.people.get(visit.actor, visit.id("admin_id"))

    async def show(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)
        return await visit.show("people/page.html", **await self.context(visit, admin))

    async def back(self, visit: Visit, admin: Admin, notice: str) -> web.Response:
        return await visit.go(f"{ROOT}/people/{admin.id}", notice=notice)

    async def change_role(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)
        context = await self.context(visit, admin)

        async def act(form: Form) -> web.Response:
            role = read(RoleForm, form).role
            await self.people.change_role(visit.actor, admin.id, role)
            if context["row"].own and role != "admin":
                return await visit.go(ROOT, notice=f"You now have the role {role}.")
            return await self.back(visit, admin, f"{admin.name} now has the role {role}.")

        return await fill_in(visit, "people/page.html", act, **context)

    async def set_password(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)

        async def act(form: Form) -> web.Response:
            await self.people.set_password(visit.actor, admin.id, new_password(form))
            text = f"{admin.name} has a new password and must sign in again."
            return await self.back(visit, admin, text)

        return await fill_in(visit, "people/page.html", act, **await self.context(visit, admin))

    async def disable(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)

        async def act(form: Form) -> web.Response:
            if text_of(form, "typed") != admin.name:
                raise FormError({"typed": f"Type {admin.name} to confirm."})
            await self.people.disable(visit.actor, admin.id)
            return await self.back(visit, admin, f"{admin.name} can no longer sign in.")

        return await fill_in(visit, "people/page.html", act, **await self.context(visit, admin))

    async def enable(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)

        async def act(_form: Form) -> web.Response:
            await self.people.enable(visit.actor, admin.id)
            return await self.back(visit, admin, f"{admin.name} may sign in again.")

        return await fill_in(visit, "people/page.html", act, **await self.context(visit, admin))

    async def revoke(self, visit: Visit) -> web.Response:
        admin = await self.admin(visit)
        await self.sessions.revoke(visit.actor, visit.id("session_id"), own_admin_id=None)
        return await self.back(visit, admin, "The session has ended.")

    async def revoke_all(self, visit: Visit) -> web.Response:
        assert visit.session is not None
        admin = await self.admin(visit)
        ended = await self.sessions.revoke_all(
            visit.actor, admin.id, own_admin_id=None, but=visit.session.id
        )
        return await self.back(visit, admin, f"{ended} sessions have ended.")
