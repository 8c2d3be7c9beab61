"""What entitles an organization, and how its calls are handled, as forms in the panel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from policies.contract import Override, SubscriptionPlan
from service.admin.changes import RecordedChanges
from service.admin.organizations.organizations import Entitlement, Organizations
from service.domain.organizations import Organization
from service.domain.wording.blocked_messages import REASONS, blocked_text
from service.store.people.tokens import Role
from service.web.panel.kit.filling import fill_in, whole_number
from service.web.panel.kit.forms import Form, judge, read, text_of
from service.web.panel.kit.pages import PanelPage, Run
from service.web.panel.kit.visit import Visit
from service.web.panel.organizations import saved
from service.web.shapes import organizations as shapes
from service.web.shapes.bodies import RequestBody
from service.web.shapes.fields import Spoken

SPARE_ROWS = 2
"""Empty rows below the blocked messages, so that some can be added without a script."""


class MessagesForm(RequestBody):
    """What blocked callers hear."""

    blocked_message: Spoken | None = None
    blocked_messages: shapes.BlockedMessages


@dataclass(frozen=True, slots=True)
class EntitlementPages:
    """Reads requests, calls the use cases, renders. `blocked_message` is the service's default."""

    organizations: Organizations
    blocked_message: str

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        forms: Mapping[str, tuple[Run, Run, Role]] = {
            "plan": (self.plan, self.put_plan, "admin"),
            "trial": (self.trial, self.put_trial, "admin"),
            "override": (self.override, self.put_override, "support"),
            "messages": (self.messages, self.put_messages, "admin"),
            "handling": (self.handling, self.put_handling, "admin"),
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
            f"organizations/{name}.html", organization=organization, values=values, faults={}
        )

    async def plan(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        values = asdict(organization.plan) if organization.plan else {"status": "active"}
        return await self.show(visit, "plan", organization, values)

    async def put_plan(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            plan = SubscriptionPlan(**read(shapes.PlanBody, form).model_dump())
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.put_plan(noted, organization.id, plan)
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/plan.html", act, organization=organization)

    async def trial(self, visit: Visit) -> web.Response:
        """The form; `days` in its address proposes an end."""
        organization = await self.organization(visit)
        values = asdict(organization.trial) if organization.trial else {}
        if days := whole_days(visit, 366):
            values["ends_at"] = datetime.now(UTC) + timedelta(days=days)
        return await self.show(visit, "trial", organization, values)

    async def put_trial(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            body = read(shapes.TrialBody, form)
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.put_trial(noted, organization.id, body.starts_at, body.ends_at)
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/trial.html", act, organization=organization)

    async def override(self, visit: Visit) -> web.Response:
        """The form; `days` in its address proposes an end, for support there always is one."""
        organization = await self.organization(visit)
        days = whole_days(visit, 366) or (None if visit.may("admin") else 1)
        values: dict[str, Any] = {"effect": visit.asked("effect") or "allow"}
        if organization.override is not None and not visit.request.query:
            values = asdict(organization.override)
        elif days:
            values["expires_at"] = datetime.now(UTC) + timedelta(days=days)
        return await self.show(visit, "override", organization, values)

    async def put_override(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            body = read(shapes.OverrideBody, form)
            noted = RecordedChanges.of(visit.actor)
            override = Override(
                body.effect, body.reason, noted.name, body.starts_at, body.expires_at
            )
            await self.organizations.put_override(noted, organization.id, override)
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/override.html", act, organization=organization)

    def removing(self, kind: Entitlement) -> Run:
        async def remove(visit: Visit) -> web.Response:
            organization = await self.organization(visit)
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.delete_entitlement(noted, organization.id, kind)
            return await saved(visit, organization, noted)

        return remove

    async def messages(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        rows = [asdict(message) for message in organization.blocked_messages]
        return await visit.show(
            "organizations/messages.html",
            values={"blocked_message": organization.blocked_message},
            faults={},
            rows=[*rows, *[{}] * SPARE_ROWS],
            **self.around_messages(organization),
        )

    def around_messages(self, organization: Organization) -> dict[str, Any]:
        """What a caller hears now, reason by reason, in the organization's language."""
        now = datetime.now(UTC)
        return {
            "organization": organization,
            "default": self.blocked_message,
            "reasons": REASONS,
            "heard": {
                reason: blocked_text(organization, reason, self.blocked_message, now)
                for reason in REASONS
            },
        }

    async def put_messages(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        rows = rows_of(await visit.form())

        async def act(form: Form) -> web.Response:
            body = judge(
                MessagesForm,
                {
                    "blocked_message": text_of(form, "blocked_message") or None,
                    "blocked_messages": [row for row in rows if row.get("text")],
                },
            )
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.change(noted, organization.id, body.model_dump())
            return await saved(visit, organization, noted)

        return await fill_in(
            visit,
            "organizations/messages.html",
            act,
            rows=[*rows, *[{}] * SPARE_ROWS],
            **self.around_messages(organization),
        )

    async def handling(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        values = organization.handling.stored()
        ring = values["ring_gate"]
        values["ring_gate"] = "" if ring is None else str(ring).lower()
        return await self.show(visit, "handling", organization, values)

    async def put_handling(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            body = judge(shapes.HandlingBody, handling_values(form))
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.change(noted, organization.id, {"handling": body.model_dump()})
            return await saved(visit, organization, noted)

        return await fill_in(visit, "organizations/handling.html", act, organization=organization)


def whole_days(visit: Visit, most: int) -> int:
    """`days` out of the address; 0 if there is none that makes sense."""
    text = visit.asked("days")
    days = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    return days if days <= most else 0


def rows_of(form: Form) -> list[dict[str, str]]:
    """The rows of the form's table, each field without the spaces around it; empty ones left out."""
    columns = {name: form.getall(f"{name}_of", []) for name in ("text", "reason", "language")}
    rows = []
    for row in zip(*columns.values(), strict=False):
        values = {name: text.strip() for name, text in zip(columns, row, strict=True)}
        if any(values.values()):
            rows.append({name: text for name, text in values.items() if text})
    return rows


def handling_values(form: Form) -> dict[str, object]:
    """The choices of the form; a box that is not ticked is not sent."""
    ring = text_of(form, "ring_gate")
    values: dict[str, object] = {
        name: name in form for name in ("goodbye", "decision_metadata", "take_events")
    }
    values["ring_gate"] = {"true": True, "false": False, "": None}.get(ring, ring)
    values["when_access_ends"] = text_of(form, "when_access_ends")
    for name in ("max_duration_seconds", "transfer_when_down", "language"):
        values[name] = text_of(form, name) or None
    if isinstance(seconds := values["max_duration_seconds"], str):
        values["max_duration_seconds"] = whole_number(seconds)
    return values
