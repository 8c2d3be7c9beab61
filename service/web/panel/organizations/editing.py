"""An organization's own fields in the panel: adding, editing and removing one."""

from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.organizations.organizations import Organizations
from service.domain.network.forward_urls import ForwardUrls
from service.domain.organizations import Organization
from service.inputs.names import parse_query
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, read
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.organizations.views import address_of
from service.web.shapes.organizations import OrganizationBody

OWN = ("name", "external_id", "forward_url", "attributes", "assistant_ids", "time_zone")


@dataclass(frozen=True, slots=True)
class OrganizationEditPages:
    """Read requests, call the use cases, render."""

    organizations: Organizations
    forward_urls: ForwardUrls

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        return [
            PanelPage("GET", "/organizations/new", self.new, "admin"),
            PanelPage("POST", "/organizations/new", self.create, "admin"),
            PanelPage("GET", f"{one}/edit", self.edit, "admin"),
            PanelPage("POST", f"{one}/edit", self.change, "admin"),
            PanelPage("POST", f"{one}/delete", self.delete, "admin"),
        ]

    async def new(self, visit: Visit) -> web.Response:
        return await visit.show("organizations/edit.html", organization=None, values={})

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
        return await visit.show("organizations/edit.html", organization=organization, values=values)

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
        """The fields of the form, checked like those of the API."""
        text = form.get("attributes", "").strip()
        try:
            attributes = orjson.loads(text) if text else {}
        except orjson.JSONDecodeError:
            raise FormError({"attributes": "This is not a JSON object."}) from None
        ids = form.get("assistant_ids", "").replace(",", " ").split()
        body = read(OrganizationBody, form, attributes=attributes, assistant_ids=ids)
        if body.forward_url is not None:
            self.forward_urls.check(body.forward_url)
        return body.model_dump()

    async def delete(self, visit: Visit) -> web.Response:
        """Remove an organization after its name was typed."""
        organization = await self.organizations.get(visit.id("organization_id"))

        async def act(form: Form) -> web.Response:
            if parse_query(form.get("typed", "")) != parse_query(organization.name):
                raise FormError({"typed": "This is not the organization's name."})
            await self.organizations.delete(visit.actor, organization.id)
            return await visit.go(
                f"{ROOT}/organizations", notice=f"{organization.name} was removed."
            )

        return await fill_in(visit, "organizations/delete.html", act, organization=organization)


async def saved(visit: Visit, organization: Organization, noted: RecordedChanges) -> web.Response:
    """Return to the organization's page, with a button to undo the change."""
    if not noted.entries:
        return await visit.go(address_of(organization), notice="Nothing was changed.")
    return await visit.go(address_of(organization), notice="Saved.", undo=noted.entries[-1])
