"""The call handling of an organization and its blocked messages, as forms in the panel."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from service.admin.changes import RecordedChanges
from service.admin.organizations.organizations import Organizations
from service.domain.organizations import Organization
from service.domain.wording.blocked_messages import REASONS, format_blocked_message
from service.vapi.bindings import BINDINGS
from service.web.panel.kit.filling import fill_in, whole_number
from service.web.panel.kit.forms import Form, judge, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.panel.organizations.editing import saved
from service.web.shapes import organizations as shapes
from service.web.shapes.bodies import RequestBody
from service.web.shapes.fields import Spoken

BOXES = ("goodbye", "decision_metadata", "take_events")
SPARE_ROWS = 2
"""Empty rows below the blocked messages, to add some without a script."""


class MessagesForm(RequestBody):
    """The form of the messages for blocked callers."""

    blocked_message: Spoken | None = None
    blocked_messages: shapes.BlockedMessages


@dataclass(frozen=True, slots=True)
class HandlingPages:
    """Read requests, call the use cases, render. `blocked_message` is the service's default."""

    organizations: Organizations
    blocked_message: str

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        return [
            PanelPage("GET", f"{one}/messages", self.messages, "admin"),
            PanelPage("POST", f"{one}/messages", self.put_messages, "admin"),
            PanelPage("GET", f"{one}/handling", self.handling, "admin"),
            PanelPage("POST", f"{one}/handling", self.put_handling, "admin"),
        ]

    async def organization(self, visit: Visit) -> Organization:
        return await self.organizations.get(visit.id("organization_id"))

    async def messages(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        rows = [asdict(message) for message in organization.blocked_messages]
        return await visit.show(
            "organizations/messages.html",
            values={"blocked_message": organization.blocked_message},
            rows=message_rows(rows),
            **self.around_messages(organization),
        )

    def around_messages(self, organization: Organization) -> dict[str, Any]:
        """The context of the page: the saved message of every reason, in the organization's language."""
        now = datetime.now(UTC)
        return {
            "organization": organization,
            "default": self.blocked_message,
            "reasons": REASONS,
            "heard": [
                (
                    reason,
                    format_blocked_message(organization, reason, self.blocked_message, now),
                )
                for reason in REASONS
            ],
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
            rows=message_rows(rows),
            **self.around_messages(organization),
        )

    async def handling(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        values = organization.handling.stored()
        ring = values["ring_gate"]
        values["ring_gate"] = "" if ring is None else str(ring).lower()
        values |= fallback_fields(organization.handling.relay_fallback)
        return await visit.show(
            "organizations/handling.html",
            organization=organization,
            values=values,
            boxes=organization.handling,
        )

    async def put_handling(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        sent = await visit.form()

        async def act(form: Form) -> web.Response:
            stored = organization.handling.relay_fallback
            values = handling_values(form) | fallback_values(form, stored)
            chosen = judge(shapes.HandlingBody, values).model_dump(exclude_unset=True)
            noted = RecordedChanges.of(visit.actor)
            await self.organizations.change(noted, organization.id, {"handling": chosen})
            return await saved(visit, organization, noted)

        return await fill_in(
            visit,
            "organizations/handling.html",
            act,
            organization=organization,
            boxes={name: name in sent for name in BOXES},
        )


def message_rows(rows: Iterable[Mapping[str, str | None]]) -> list[dict[str, str]]:
    """The rows of the form's table, with spare ones below."""
    names = ("text", "reason", "language")
    return [{name: row.get(name) or "" for name in names} for row in (*rows, *[{}] * SPARE_ROWS)]


def rows_of(form: Form) -> list[dict[str, str]]:
    """The rows that the form sent, without surrounding spaces and without empty rows."""
    columns = {name: form.getall(f"{name}_of", []) for name in ("text", "reason", "language")}
    rows = []
    for row in zip(*columns.values(), strict=False):
        values = {name: text.strip() for name, text in zip(columns, row, strict=True)}
        if any(values.values()):
            rows.append({name: text for name, text in values.items() if text})
    return rows


def fallback_fields(stored: Mapping[str, Any] | None) -> dict[str, str]:
    """The form's fields of the fallback: what kind it is, and its id or number."""
    stored = stored or {}
    kind = next((name for name in (*BINDINGS, "destination") if name in stored), "")
    target = stored.get(kind, "")
    return {
        "fallback_kind": kind,
        "relay_fallback": target["number"] if isinstance(target, Mapping) else target,
    }


def fallback_values(form: Form, stored: Mapping[str, Any] | None) -> dict[str, object]:
    """The fallback of the form; nothing where it is as stored, which may have more than the form."""
    kind, target = text_of(form, "fallback_kind"), text_of(form, "relay_fallback")
    unchanged = {"fallback_kind": kind, "relay_fallback": target} == fallback_fields(stored)
    if unchanged or "fallback_kind" not in form:
        return {}
    if kind == "destination":
        return {"relay_fallback": {kind: {"type": "number", "number": target}}}
    return {"relay_fallback": {kind: target} if kind else None}


def handling_values(form: Form) -> dict[str, object]:
    """The choices of the form. Browsers do not send an unchecked box."""
    ring = text_of(form, "ring_gate")
    values: dict[str, object] = {name: name in form for name in BOXES}
    values["ring_gate"] = {"true": True, "false": False, "": None}.get(ring, ring)
    values["when_access_ends"] = text_of(form, "when_access_ends")
    for name in ("transfer_when_down", "language"):
        values[name] = text_of(form, name) or None
    for name in ("max_duration_seconds", "keep_transcripts_days"):
        text = text_of(form, name)
        values[name] = whole_number(text) if text else None
    return values
