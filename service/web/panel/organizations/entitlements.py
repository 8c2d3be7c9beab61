"""Plan, trial and override of an organization, as forms in the panel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from policies.entitlements import Override, PlanLimits, SubscriptionPlan
from service.admin.changes import RecordedChanges
from service.admin.organizations.organizations import Entitlement, Organizations
from service.domain.organizations import Organization
from service.domain.texts import is_all
from service.domain.wording.plans import describe_period_end
from service.store.people.tokens import Role
from service.web.panel.kit.choices import PLAN_STATUSES
from service.web.panel.kit.filling import Act, fill_in
from service.web.panel.kit.forms import Form, judge, read, text_of, with_exact
from service.web.panel.kit.pages import PanelPage, Run
from service.web.panel.kit.versions import OVERTAKEN
from service.web.panel.kit.visit import Visit
from service.web.panel.organizations.editing import saved
from service.web.shapes import organizations as shapes

CANCELS = "cancel_at_period_end"
"""The box of a plan that does not renew; browsers send it only if it is checked."""


@dataclass(frozen=True, slots=True)
class OverrideLimits:
    """The limits of a visitor's role for overrides, as texts of the form."""

    text: str
    end_required: bool
    end_hint: str


UNLIMITED = OverrideLimits("", end_required=False, end_hint="Empty: until an admin removes it.")
LIMITED = OverrideLimits(
    "With the role support you may set, replace and remove overrides that end within 7 days, "
    "7 days in total within 30. Ask an admin for a longer one, or to lift a denial of theirs.",
    end_required=True,
    end_hint="Within 7 days.",
)


def override_limits(visit: Visit) -> OverrideLimits:
    return UNLIMITED if visit.is_admin else LIMITED


@dataclass(frozen=True, slots=True)
class EntitlementPages:
    """Read requests, call the use cases, render."""

    organizations: Organizations
    renewal_grace: timedelta

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        forms: Mapping[str, tuple[Run, Run, Role]] = {
            "plan": (self.plan, self.put_plan, "admin"),
            "trial": (self.trial, self.put_trial, "admin"),
            "override": (self.override, self.put_override, "support"),
        }
        kinds: tuple[Entitlement, ...] = ("plan", "trial", "override")
        return [
            *(
                PanelPage("GET", f"{one}/{name}", show, needs)
                for name, (show, _, needs) in forms.items()
            ),
            *(
                PanelPage("POST", f"{one}/{name}", put, needs)
                for name, (_, put, needs) in forms.items()
            ),
            PanelPage("POST", f"{one}/trial/end", self.end_trial, "admin"),
            *(
                PanelPage("POST", f"{one}/{kind}/remove", self.removing(kind), forms[kind][2])
                for kind in kinds
            ),
        ]

    async def organization(self, visit: Visit) -> Organization:
        return await self.organizations.get(visit.id("organization_id"))

    async def show(
        self, visit: Visit, name: str, organization: Organization, values: Mapping[str, Any]
    ) -> web.Response:
        return await visit.show(
            f"organizations/{name}.html",
            organization=organization,
            values=values,
            limits=override_limits(visit),
        )

    async def plan(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        return await visit.show(
            "organizations/plan.html",
            **plan_values(organization),
            **await self.around_plan(organization),
        )

    async def around_plan(self, organization: Organization) -> dict[str, Any]:
        """The context of the plan's form: what happens at the end of the stored plan's period."""
        plan, now = organization.plan, await self.organizations.now()
        ending = describe_period_end(plan, now, self.renewal_grace) if plan else ""
        return {"organization": organization, "ending": ending, "statuses": PLAN_STATUSES}

    async def put_plan(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            ends = "current_period_end", "grace_period_end"
            plan = read_plan(with_exact(form, organization.plan, *ends))
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.put_plan(noted, organization.id, plan)
            return await saved(visit, organization, noted)

        return await fill_in(
            visit,
            "organizations/plan.html",
            act,
            cancels=CANCELS in await visit.form(),
            **await self.around_plan(organization),
        )

    async def trial(self, visit: Visit) -> web.Response:
        """The form. `days` in its address suggests an end."""
        organization = await self.organization(visit)
        values = asdict(organization.trial) if organization.trial else {}
        if days := whole_days(visit, 366):
            values["ends_at"] = await self.organizations.now() + timedelta(days=days)
        return await self.show(visit, "trial", organization, values)

    async def put_trial(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            exact = with_exact(form, organization.trial, "starts_at", "ends_at")
            body = read(shapes.TrialBody, exact)
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.put_trial(noted, organization.id, body.starts_at, body.ends_at)
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/trial.html", act, organization=organization)

    async def end_trial(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(_form: Form) -> web.Response:
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.end_trial(noted, organization.id)
            return await saved(visit, organization, noted)

        return await self.press(visit, "trial", organization, act)

    async def press(
        self, visit: Visit, kind: Entitlement, organization: Organization, act: Act
    ) -> web.Response:
        """Handle a button beside a form; where another admin was faster, show the form as it is now."""
        context: dict[str, Any] = {"organization": organization, "limits": override_limits(visit)}
        if kind == "plan":
            context |= {**plan_values(organization), **await self.around_plan(organization)}
        elif (stored := getattr(organization, kind)) is not None:
            context["values"] = asdict(stored)
        template = f"organizations/{kind}.html"
        return await fill_in(visit, template, act, overtaken=OVERTAKEN, **context)

    async def override(self, visit: Visit) -> web.Response:
        """The form. `days` in its address suggests an end; support always gets a suggestion."""
        organization = await self.organization(visit)
        days = whole_days(visit, 366) or (None if visit.may("admin") else 1)
        values: dict[str, Any] = {"effect": visit.asked("effect") or "allow"}
        if organization.override is not None and not visit.request.query:
            values = asdict(organization.override)
        elif days:
            values["expires_at"] = await self.organizations.now() + timedelta(days=days)
        return await self.show(visit, "override", organization, values)

    async def put_override(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            exact = with_exact(form, organization.override, "starts_at", "expires_at")
            body = read(shapes.OverrideBody, exact)
            noted = RecordedChanges.of(visit.actor)
            override = Override(
                body.effect, body.reason, noted.name, body.starts_at, body.expires_at
            )
            await self.organizations.put_override(noted, organization.id, override)
            return await saved(visit, organization, noted)

        return await fill_in(
            visit,
            "organizations/override.html",
            act,
            organization=organization,
            limits=override_limits(visit),
        )

    def removing(self, kind: Entitlement) -> Run:
        async def remove(visit: Visit) -> web.Response:
            organization = await self.organization(visit)

            async def act(_form: Form) -> web.Response:
                noted = RecordedChanges.of(visit.actor)
                await self.organizations.delete_entitlement(noted, organization.id, kind)
                return await saved(visit, organization, noted)

            return await self.press(visit, kind, organization, act)

        return remove


def plan_values(organization: Organization) -> dict[str, Any]:
    """The stored plan as the fields of its form; of none what is usual."""
    plan = organization.plan
    if plan is None:
        return {"values": {"status": "active"}, "cancels": False}
    values = {**asdict(plan), **asdict(plan.limits or PlanLimits())}
    return {"values": values, "cancels": plan.cancel_at_period_end}


def read_plan(form: Form) -> SubscriptionPlan:
    """The plan that the form states. Browsers do not send an unchecked box."""
    limits: dict[str, object] = {}
    for name in ("minutes", "concurrent_calls", "cost"):
        if text := text_of(form, name):
            limits[name] = number_of(text)
    judge(shapes.PlanLimitsBody, limits)
    cancels = CANCELS in form
    return read(shapes.PlanBody, form, cancel_at_period_end=cancels, limits=limits or None).plan


def number_of(text: str) -> object:
    """A number of a form; any other text unchanged, for a shape to check."""
    return float(text) if is_all(r"[0-9]{1,15}(\.[0-9]{1,20})?", text) else text


def whole_days(visit: Visit, most: int) -> int:
    """`days` from the address; 0 if it is absent or invalid."""
    text = visit.asked("days")
    days = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    return days if days <= most else 0
