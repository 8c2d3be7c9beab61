"""Adding a number: whose it is, which one at Vapi, what will be changed there, and then doing it."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unregistered import Unregistered
from service.domain.errors import CallgateError, NotFoundError
from service.domain.organizations import Organization
from service.domain.phone_numbers import NumberGate
from service.reconcile.reconciler import Reconciler
from service.store.organizations.search import Filters
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, judge, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.panel.phone_numbers.pages import address_of, id_asked, read_answer
from service.web.shapes import phone_numbers as shapes

OFFERED_NUMBERS, OFFERED_ORGANIZATIONS = 30, 12


@dataclass(frozen=True, slots=True)
class PhoneNumberAddingPages:
    """One page in three steps; each step is in its address, so that any can be linked to."""

    organizations: Organizations
    listed: OrganizationList
    numbers: PhoneNumbers
    unregistered: Unregistered
    reconciler: Reconciler

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/numbers/new", self.show, "admin"),
            PanelPage("POST", "/numbers/new", self.add, "admin"),
        ]

    async def show(self, visit: Visit) -> web.Response:
        return await visit.show("phone_numbers/new.html", **await self.context(visit))

    async def context(self, visit: Visit) -> dict[str, Any]:
        """What the present step needs."""
        organization = await self.organization(visit)
        vapi_id = visit.asked("vapi_phone_number_id")[:100]
        gate: NumberGate = "request" if visit.asked("gate") == "request" else "event"
        context: dict[str, Any] = {
            "organization": organization,
            "vapi_id": vapi_id,
            "gate": gate,
            "query": visit.asked("query")[:200],
            "values": {"gate": gate},
            "faults": {},
            "problem": "",
            "organizations": [],
            "offered": [],
            "how_many": 0,
            "preview": None,
        }
        if organization is None:
            wanted = OrganizationQuery(Filters(context["query"] or None))
            page = await self.listed.page(wanted, after=None, limit=OFFERED_ORGANIZATIONS)
            return {**context, "organizations": [one for one, _ in page.found]}
        try:
            if vapi_id:
                preview = await self.reconciler.preview(vapi_id, gate)
                return {**context, "preview": preview}
            offered, count = await self.unregistered.search(context["query"], OFFERED_NUMBERS)
        except CallgateError as exc:
            return {**context, "problem": exc.message}
        except TimeoutError:
            return {**context, "problem": "Vapi does not answer now. Try again, or type an id."}
        return {**context, "offered": offered, "how_many": count}

    async def organization(self, visit: Visit) -> Organization | None:
        """Whose the number is to be, once that was chosen."""
        found = id_asked(visit, "organization_id")
        if found is None:
            return None
        try:
            return await self.organizations.get(found)
        except NotFoundError:
            return None

    async def add(self, visit: Visit) -> web.Response:
        async def act(form: Form) -> web.Response:
            body = judge(
                shapes.PhoneNumberBody,
                {
                    "organization_id": visit.asked("organization_id"),
                    "vapi_phone_number_id": visit.asked("vapi_phone_number_id"),
                    "label": text_of(form, "label") or None,
                    "gate": text_of(form, "gate"),
                    "answer_with": read_answer(form),
                },
            )
            created = await self.numbers.create(visit.actor, body.model_dump())
            self.unregistered.forget()
            return await visit.go(address_of(created.id), notice="Added.")

        return await fill_in(visit, "phone_numbers/new.html", act, **await self.context(visit))
