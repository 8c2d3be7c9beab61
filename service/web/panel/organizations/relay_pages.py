"""The relay of an organization in the panel: its messages, its secret, resuming, delivering again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from service.admin.organizations.organizations import Organizations
from service.admin.relay import RelayCases
from service.domain.organizations import Organization
from service.domain.relay.messages import RelayedMessage
from service.domain.wording.labels import format_count
from service.store.relay.listing import STATES, MessageState, Place
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.choices import Option
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, FormError, read, text_of
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import ROOT, Visit
from service.web.panel.organizations.relay import RelayView
from service.web.shapes.paging import place_in_log, place_in_time, read_cursor, write_cursor
from service.web.shapes.relay import ReplayBody

PAGE_SIZE = 50
LABELS: Mapping[MessageState, str] = {
    "waiting": "Waiting",
    "failed": "With failed attempts",
    "delivered": "Delivered ones",
}
OUTCOMES = {
    "delivered": Badge("Delivered", "good"),
    "expired": Badge("Expired", "bad"),
    "dropped": Badge("Dropped", "bad"),
}


@dataclass(frozen=True, slots=True)
class RelayedRow:
    """A message as the page prints it."""

    message: RelayedMessage

    @property
    def badge(self) -> Badge:
        if self.message.outcome is not None:
            return OUTCOMES[self.message.outcome]
        return Badge("Retrying", "wait") if self.message.attempts else Badge("Waiting")

    @property
    def call(self) -> str | None:
        """The address of its call."""
        call = self.message.vapi_call_id
        return f"{ROOT}/calls?vapi_call_id={quote(call)}" if call else None

    @property
    def error(self) -> str:
        return self.message.last_error or ""

    @property
    def is_replayable(self) -> bool:
        """Whether it may be delivered again."""
        return self.message.outcome in ("delivered", "expired")


@dataclass(frozen=True, slots=True)
class RelayPages:
    """Read requests, call the use cases, render."""

    organizations: Organizations
    relay: RelayCases

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}/relay"
        return [
            PanelPage("GET", one, self.page),
            PanelPage("POST", f"{one}/secret", self.create_secret, "admin"),
            PanelPage("POST", f"{one}/resume", self.resume, "support"),
            PanelPage("POST", f"{one}/replay", self.replay, "support"),
        ]

    async def organization(self, visit: Visit) -> Organization:
        return await self.organizations.get(visit.id("organization_id"))

    async def page(self, visit: Visit) -> web.Response:
        """The messages; an unknown state shows all."""
        organization = await self.organization(visit)
        return await visit.show(
            "organizations/relay.html", values={}, **await self.shown(visit, organization)
        )

    async def shown(self, visit: Visit, organization: Organization) -> dict[str, Any]:
        """What the page shows."""
        state: MessageState | None = next(
            (one for one in STATES if one == visit.asked("state")), None
        )
        found = read_cursor(visit.asked("cursor") or None, place_in_time, place_in_log)
        after: Place | None = (found[0], found[1]) if found else None
        messages = await self.relay.list_messages(
            organization.id, state=state, after=after, limit=PAGE_SIZE + 1
        )
        listed, more = messages[:PAGE_SIZE], None
        if len(messages) > PAGE_SIZE:
            last = listed[-1]
            more = visit.here(cursor=write_cursor(last.received_at.isoformat(), last.id))
        status = await self.relay.status_of(organization)
        return {
            "organization": organization,
            "relay": RelayView(organization.forward_url, status),
            "rows": [RelayedRow(message) for message in listed],
            "more": more,
            "states": [Option(one, LABELS[one], one == state) for one in STATES],
        }

    async def create_secret(self, visit: Visit) -> web.Response:
        """Show a new secret, this once."""
        organization = await self.organization(visit)
        secret = await self.relay.create_secret(visit.actor, organization.id)
        return await visit.show(
            "organizations/relay_secret.html", organization=organization, secret=secret
        )

    async def resume(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        await self.relay.resume(visit.actor, organization.id)
        return await self.go_back(visit, organization, "The relay tries again now.")

    async def replay(self, visit: Visit) -> web.Response:
        """Deliver one message again, or those of a period."""
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            count = await self.replay_given(visit, organization, form)
            messages = format_count(count, "message", "messages")
            return await self.go_back(visit, organization, f"Delivering {messages} again.")

        return await fill_in(
            visit, "organizations/relay.html", act, **await self.shown(visit, organization)
        )

    async def replay_given(self, visit: Visit, organization: Organization, form: Form) -> int:
        """How many messages are delivered again. Raises `FormError`."""
        number = text_of(form, "message")
        if number:
            if not number.isdigit() or len(number) > 18:
                raise FormError({"": "There is no such message."})
            return int(await self.relay.replay_one(visit.actor, organization.id, int(number)))
        body = read(ReplayBody, form)
        return await self.relay.replay(visit.actor, organization.id, body.since, body.until)

    async def go_back(self, visit: Visit, organization: Organization, notice: str) -> web.Response:
        return await visit.go(f"{ROOT}/organizations/{organization.id}/relay", notice=notice)
