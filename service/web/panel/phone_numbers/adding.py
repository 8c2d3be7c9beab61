"""Adding a number in three steps: the organization, the number at Vapi, the changes there."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from policies.host.ids import parse_vapi_id
from policies.host.marks import BadTextError
from service.admin.imports.known_numbers import VapiNumber
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.phone_numbers.unregistered import Unregistered
from service.domain.errors import CallgateError, NotFoundError
from service.domain.organizations import Organization
from service.domain.phone_numbers import NumberGate
from service.reconcile.reconciler import AddPreview, Reconciler
from service.store.organizations.search import Filters
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, judge, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.panel.phone_numbers.pages import read_answer
from service.web.panel.phone_numbers.route_views import NumberRouteView, other_gate
from service.web.panel.phone_numbers.views import GATES, address_of
from service.web.shapes import phone_numbers as shapes
from service.web.shapes.reconcile import Route

OFFERED_NUMBERS, OFFERED_ORGANIZATIONS = 30, 12


@dataclass(frozen=True, slots=True)
class OfferedRow:
    """A number at Vapi that is not registered here."""

    offered: VapiNumber

    @property
    def number(self) -> str:
        return self.offered.number or self.offered.id

    @property
    def name(self) -> str:
        return self.offered.name or "—"

    @property
    def webhook_url(self) -> str:
        return self.offered.webhook_url or "—"

    @property
    def answered_by(self) -> list[tuple[str, str]]:
        return list(self.offered.answered_by.items())


TAKE_OVER_WARNING = (
    "The present webhook has a secret that Vapi does not show. Callgate replaces the webhook, and "
    "cannot restore this secret when the number is released: keep a copy of it before you add the "
    "number."
)


@dataclass(frozen=True, slots=True)
class PreviewView:
    """The changes at Vapi that adding a number makes."""

    preview: AddPreview
    route: NumberRouteView

    @property
    def number(self) -> str:
        return self.preview.number or "—"

    @property
    def name(self) -> str:
        return self.preview.name or "—"

    @property
    def secret_warning(self) -> str:
        """What is lost permanently; "" for nothing."""
        lost = any(change.field.endswith(".secret") for change in self.preview.changes)
        return TAKE_OVER_WARNING if lost else ""

    @property
    def label(self) -> str:
        """The suggested label."""
        return self.preview.name or ""


@dataclass(frozen=True, slots=True)
class PhoneNumberAddingPages:
    """One page in three steps. Its address holds the step, so that pages can link to any of them."""

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
        """The context of the current step."""
        organization = await self.organization(visit)
        vapi_id = visit.asked("vapi_phone_number_id")[:100]
        gate: NumberGate = "request" if visit.asked("gate") == "request" else "event"
        context: dict[str, Any] = {
            "organization": organization,
            "vapi_id": vapi_id,
            "query": visit.asked("query")[:200],
            "gates": GATES,
            "values": {"gate": gate},
            "problem": "",
            "organizations": [],
            "offered": [],
            "further": "",
            "preview": None,
        }
        if organization is None:
            wanted = OrganizationQuery(Filters(context["query"] or None))
            page = await self.listed.page(wanted, after=None, limit=OFFERED_ORGANIZATIONS)
            return {**context, "organizations": [one for one, _ in page.found]}
        try:
            if vapi_id:
                preview = await self.reconciler.preview(parse_vapi_id(vapi_id), gate)
                gates = visit.here(gate=None), visit.here(gate="request")
                view = PreviewView(preview, NumberRouteView(Route.model_validate(preview.route)))
                return {**context, "preview": view, "other_gate": other_gate(gate, *gates)}
            offered, count = await self.unregistered.search(context["query"], OFFERED_NUMBERS)
        except CallgateError as exc:
            return {**context, "problem": exc.message}
        except BadTextError as exc:
            return {**context, "problem": f"This {exc}"}
        except TimeoutError:
            return {**context, "problem": "Vapi does not answer. Try again, or enter an id."}
        further = f"{len(offered)} of {count} shown. Search for the one you need."
        return {
            **context,
            "offered": [OfferedRow(number) for number in offered],
            "further": further if count > len(offered) else "",
        }

    async def organization(self, visit: Visit) -> Organization | None:
        """The organization that was chosen, if one was."""
        found = visit.asked_id("organization_id")
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
            return await visit.go(address_of(created.id), notice="The number was added.")

        return await fill_in(visit, "phone_numbers/new.html", act, **await self.context(visit))
