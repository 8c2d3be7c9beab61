"""Organizations in the panel: the list, one's page, its own fields, adding and removing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.organizations.access import Explained, OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.timeline import Timeline
from service.domain.forward_urls import check_forward_url
from service.domain.organizations import Organization
from service.domain.texts import is_all
from service.domain.wording.blocked_messages import format_blocked_message
from service.store.calls import search
from service.store.organizations.timeline import Place
from service.store.pool import Pool
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import LOCAL, Form, FormError, judge, read
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.shapes.fields import instant_of
from service.web.shapes.organizations import (
    OrganizationBody,
    OrganizationsQuery,
    read_position,
    write_position,
)
from service.web.shapes.paging import (
    place_in_log,
    place_in_time,
    read_cursor,
    write_cursor,
)

SHOWN_NUMBERS, SHOWN_CALLS, SHOWN_EVENTS = 20, 8, 12
OWN = ("name", "external_id", "forward_url", "attributes", "assistant_ids")


def address_of(organization: Organization) -> str:
    return f"{ROOT}/organizations/{organization.id}"


@dataclass(frozen=True, slots=True)
class OrganizationPages:
    """Reads requests, calls the use cases, renders. `blocked_message` is the service's default."""

    pool: Pool
    organizations: Organizations
    listed: OrganizationList
    access: OrganizationAccess
    events: Timeline
    numbers: PhoneNumbers
    blocked_message: str
    relay_hosts: tuple[str, ...]

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        return [
            PanelPage("GET", "/organizations", self.list_page),
            PanelPage("GET", "/organizations/new", self.new, "admin"),
            PanelPage("POST", "/organizations/new", self.create, "admin"),
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/timeline", self.timeline),
            PanelPage("GET", f"{one}/edit", self.edit, "admin"),
            PanelPage("POST", f"{one}/edit", self.change, "admin"),
            PanelPage("POST", f"{one}/delete", self.delete, "admin"),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The list; what cannot be understood in its address is told, and the rest shown."""
        asked = {name: visit.asked(name) for name in OrganizationsQuery.model_fields}
        given = {name: text for name, text in asked.items() if text}
        faults: Mapping[str, str] = {}
        try:
            query = judge(OrganizationsQuery, given)
        except FormError as exc:
            query, faults = OrganizationsQuery(), exc.faults
        listing = await self.listed.page(
            query.wanted, after=read_position(query.cursor, query.sort), limit=query.limit
        )
        cursor = write_position(listing.next)
        return await visit.show(
            "organizations/list.html",
            422 if faults else 200,
            asked=asked,
            faults=faults,
            sort=query.sort,
            found=listing.found,
            more=visit.here(cursor=cursor) if cursor else None,
            filtered=bool(given.keys() - {"sort", "cursor", "limit"}),
        )

    async def page(self, visit: Visit) -> web.Response:
        """One organization with all that its support needs."""
        organization = await self.organizations.get(visit.id("organization_id"))
        explained = await self.access.explain_stored(organization)
        other, fault = await self.at_another_instant(visit, organization)
        numbers = await self.numbers.list_page(
            organization_id=organization.id, sync_state=None, after=None, limit=SHOWN_NUMBERS + 1
        )
        calls = await search.list_page(
            self.pool,
            vapi_call_id=None,
            organization_id=organization.id,
            blocked=None,
            after=None,
            limit=SHOWN_CALLS,
        )
        events = await self.events.page(organization.id, after=None, limit=SHOWN_EVENTS)
        reason = explained.decision.reason if not explained.decision.allowed else "trial_expired"
        return await visit.show(
            "organizations/page.html",
            organization=organization,
            explained=explained,
            other=other,
            at=visit.asked("at"),
            at_fault=fault,
            numbers=numbers[:SHOWN_NUMBERS],
            more_numbers=len(numbers) > SHOWN_NUMBERS,
            calls=[call for call, _ in calls],
            events=events.found,
            more_events=events.next is not None,
            spoken=format_blocked_message(
                organization, reason, self.blocked_message, datetime.now(UTC)
            ),
        )

    async def at_another_instant(
        self, visit: Visit, organization: Organization
    ) -> tuple[Explained | None, str]:
        """The access at the instant in the address, if there is one; else what is wrong with it."""
        text = visit.asked("at")
        if not text:
            return None, ""
        if is_all(LOCAL, text):
            text += "Z" if text.count(":") == 2 else ":00Z"
        try:
            return await self.access.explain_stored(organization, instant_of(text)), ""
        except ValueError:
            return None, "Please give a date and a time."

    async def timeline(self, visit: Visit) -> web.Response:
        """All that happened around an organization."""
        organization = await self.organizations.get(visit.id("organization_id"))
        found = read_cursor(visit.asked("cursor") or None, place_in_time, place_in_log)
        after: Place | None = (found[0], found[1]) if found else None
        page = await self.events.page(organization.id, after=after, limit=50)
        cursor = write_cursor(page.next[0].isoformat(), page.next[1]) if page.next else None
        return await visit.show(
            "organizations/timeline.html",
            organization=organization,
            events=page.found,
            more=visit.here(cursor=cursor) if cursor else None,
        )

    async def new(self, visit: Visit) -> web.Response:
        return await visit.show("organizations/edit.html", organization=None, values={}, faults={})

    async def create(self, visit: Visit) -> web.Response:
        async def act(form: Form) -> web.Response:
            noted = RecordedChanges.of(visit.actor)
            made = await self.organizations.create(noted, self.own_values(form))
            return await visit.go(address_of(made), notice=f"{made.name} was added.")

        return await fill_in(visit, "organizations/edit.html", act, organization=None)

    async def edit(self, visit: Visit) -> web.Response:
        organization = await self.organizations.get(visit.id("organization_id"))
        values = {name: getattr(organization, name) for name in OWN}
        values["assistant_ids"] = "\n".join(organization.assistant_ids)
        values["attributes"] = (
            orjson.dumps(organization.attributes, option=orjson.OPT_INDENT_2).decode()
            if organization.attributes
            else ""
        )
        return await visit.show(
            "organizations/edit.html", organization=organization, values=values, faults={}
        )

    async def change(self, visit: Visit) -> web.Response:
        organization = await self.organizations.get(visit.id("organization_id"))

        async def act(form: Form) -> web.Response:
            values = self.own_values(form)
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.change(
                noted, organization.id, {name: values[name] for name in OWN}
            )
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/edit.html", act, organization=organization)

    def own_values(self, form: Form) -> dict[str, Any]:
        """The fields of the form, judged as the API judges them."""
        text = form.get("attributes", "").strip()
        try:
            attributes = orjson.loads(text) if text else {}
        except orjson.JSONDecodeError:
            raise FormError({"attributes": "This is no JSON object."}) from None
        ids = form.get("assistant_ids", "").replace(",", " ").split()
        body = read(OrganizationBody, form, attributes=attributes, assistant_ids=ids)
        if body.forward_url is not None:
            check_forward_url(body.forward_url, self.relay_hosts)
        return body.model_dump()

    async def delete(self, visit: Visit) -> web.Response:
        """Remove an organization whose name was typed."""
        organization = await self.organizations.get(visit.id("organization_id"))

        async def act(form: Form) -> web.Response:
            if form.get("typed", "").strip() != organization.name.strip():
                raise FormError({"typed": "This is not the name of the organization."})
            await self.organizations.delete(visit.actor, organization.id)
            return await visit.go(
                f"{ROOT}/organizations", notice=f"{organization.name} was removed."
            )

        return await fill_in(visit, "organizations/delete.html", act, organization=organization)


async def saved(visit: Visit, organization: Organization, noted: RecordedChanges) -> web.Response:
    """Back to the organization's page, with the way to take the change back."""
    if not noted.entries:
        return await visit.go(address_of(organization), notice="Nothing was changed.")
    return await visit.go(address_of(organization), notice="Saved.", undo=noted.entries[-1])
