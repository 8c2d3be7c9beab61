"""What-if in the panel: a form of supposed facts, and the decision with its trace. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from service.admin.organizations.access import Explained, OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.what_if import WhatIf
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.domain.errors import InvalidError, NotFoundError
from service.domain.organizations import Organization
from service.store.phone_numbers.search import PhoneNumberFilter
from service.web.panel.kit.choices import PLAN_STATUSES, Pair, labelled
from service.web.panel.kit.filling import readable
from service.web.panel.kit.forms import Form, FormError, read
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.panel.organizations.views import access_view
from service.web.shapes import organizations as shapes
from service.web.shapes.what_if import AccessQuery, SupposedCall, WhatIfBody

SHOWN_NUMBERS = 100
NONE = "none"
AS_IT_IS: Pair = ("", "As it is")
CALL_TYPES = ("inboundPhoneCall", "outboundPhoneCall", "webCall")
PLANS: Sequence[Pair] = [AS_IT_IS, (NONE, "No plan"), *PLAN_STATUSES]
TRIALS: Sequence[Pair] = [AS_IT_IS, (NONE, "No trial"), ("given", "A trial that ends then")]
OVERRIDES: Sequence[Pair] = [
    AS_IT_IS,
    (NONE, "No override"),
    ("allow", "Allow all calls"),
    ("deny", "Block all calls"),
]
FIELDS: Mapping[str, str] = {"status": "plan", "effect": "override"}
"""The form's fields whose shapes name them otherwise."""
TYPES: Sequence[Pair] = [("", "Any call"), *labelled(CALL_TYPES)]


async def what_if_choices(numbers: PhoneNumbers, organization: Organization) -> dict[str, Any]:
    """The options of the form."""
    owned = PhoneNumberFilter(organization_id=organization.id)
    found = await numbers.find_page(owned, sort="label", limit=SHOWN_NUMBERS)
    lines = [(str(one.id), one.number or one.vapi_phone_number_id) for one in found.numbers]
    return {
        "plans": PLANS,
        "trials": TRIALS,
        "overrides": OVERRIDES,
        "types": TYPES,
        "lines": [("", "Any number"), *lines],
    }


@dataclass(frozen=True, slots=True)
class WhatIfPages:
    """Read requests, call the use cases, render."""

    organizations: Organizations
    access: OrganizationAccess
    numbers: PhoneNumbers

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/organizations/{organization_id}/what-if", self.page)]

    async def page(self, visit: Visit) -> web.Response:
        """The form with the decision on what the address supposes. Invalid facts are named."""
        organization = await self.organizations.get(visit.id("organization_id"))
        query, status = MultiDictProxy(MultiDict(visit.request.query)), 200
        faults: dict[str, str] = {}
        explained: Explained | None = None
        if query:
            try:
                what_if = read_what_if(query, organization, visit.actor.name)
                explained = await self.access.explain_what_if(organization, what_if)
            except FormError as exc:
                faults = {FIELDS.get(name, name): text for name, text in exc.faults.items()}
                status = 422
            except (InvalidError, NotFoundError) as exc:
                faults, status = {"": exc.message}, exc.status
        return await visit.show(
            "organizations/what_if.html",
            status,
            organization=organization,
            supposed={name: readable(visit.asked(name)) for name in query},
            faults=faults,
            choices=await what_if_choices(self.numbers, organization),
            access=None if explained is None else access_view(explained),
        )


def read_what_if(form: Form, organization: Organization, author: str) -> WhatIf:
    """The supposition of a form. Raises `FormError`."""
    asked = read(AccessQuery, form)
    given: dict[str, object] = {}
    if plan := form.get("plan"):
        given["plan"] = None if plan == NONE else read_plan(form, organization, plan)
    if trial := form.get("trial"):
        given["trial"] = None if trial == NONE else read(shapes.TrialBody, form)
    if effect := form.get("override"):
        supposed = {"effect": effect, "reason": "Supposed", "starts_at": None}
        given["override"] = None if effect == NONE else read(shapes.OverrideBody, form, **supposed)
    call = read(SupposedCall, form)
    if any(value for value in call.model_dump().values()):
        given["call"] = call
    return WhatIfBody.model_construct(
        {*given}, at=asked.at, phone_number_id=asked.phone_number_id, **given
    ).asked_by(author)


def read_plan(form: Form, organization: Organization, status: str) -> shapes.PlanBody:
    """The supposed plan: under the name and with the limits of the present one."""
    plan = organization.plan
    limits = plan.limits if plan else None
    return read(
        shapes.PlanBody,
        form,
        code=plan.code if plan else "supposed",
        status=status,
        limits=limits and asdict(limits),
    )
