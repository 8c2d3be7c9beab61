"""What admins do about a relay: deliver messages again, resume it, create its secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from service.admin.organizations.organizations import Organizations
from service.admin.relay import RelayCases, check_period
from service.domain.errors import BadPeriodError
from service.domain.organizations import Organization
from service.domain.relay.messages import RelayState
from service.domain.wording.labels import format_count
from service.store.pool import Pool
from service.store.relay import search
from service.store.relay.search import MOST_COUNTED
from service.web.panel.kit.filling import fill_in
from service.web.panel.kit.forms import Form, read
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import Visit
from service.web.panel.relay.card import relay_address
from service.web.panel.relay.pages import message_id
from service.web.shapes.relay import ReplayBody, ReplayQuery

SUGGESTED = timedelta(hours=1)
WHEN: Mapping[RelayState, str] = {
    "delivering": "as soon as the server takes them",
    "parked": "once the parked server takes a message",
    "off": "once the organization has an address under Edit",
}
NOTHING = "No message of this period can be delivered again."


@dataclass(frozen=True, slots=True)
class RelayChangePages:
    """Read requests, call the use cases, render."""

    pool: Pool
    organizations: Organizations
    relay: RelayCases

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}/relay"
        return [
            PanelPage("POST", f"{one}/messages/{{message_id}}/replay", self.replay_one, "support"),
            PanelPage("GET", f"{one}/replay", self.period, "support"),
            PanelPage("POST", f"{one}/replay", self.replay, "support", is_long=True),
            PanelPage("POST", f"{one}/resume", self.resume, "support"),
            PanelPage("GET", f"{one}/secret", self.secret, "admin"),
            PanelPage("POST", f"{one}/secret", self.create_secret, "admin"),
        ]

    async def organization(self, visit: Visit) -> Organization:
        return await self.organizations.get(visit.id("organization_id"))

    async def replay_one(self, visit: Visit) -> web.Response:
        """Deliver one message again, and return to its page."""
        organization = await self.organization(visit)
        number = message_id(visit)
        done = await self.relay.replay_one(visit.actor, organization.id, number)
        notice = "It was not changed: it waits already, or its body is gone."
        if done:
            state = (await self.relay.status_of(organization)).state
            notice = f"The message is delivered again {WHEN[state].replace('them', 'it')}."
        return await visit.go(f"{relay_address(organization)}/messages/{number}", notice=notice)

    async def period(self, visit: Visit) -> web.Response:
        """The form, with how many messages a replay of the period in the address would deliver."""
        organization = await self.organization(visit)
        filters = read_filters(visit, ReplayQuery)
        since, until = filters.query.since, filters.query.until
        values: dict[str, Any] = {"since": since, "until": until}
        if since is None:
            values["since"] = await self.organizations.now() - SUGGESTED
        faults, status = faults_of(since, until), filters.status
        if faults:
            since, status = None, 422
        return await visit.show(
            "relay/replay.html",
            status,
            faults=faults,
            organization=organization,
            fault=filters.fault("messages") and "Enter a date and a time in both fields.",
            values=values,
            since=since,
            until=until,
            found="" if since is None else await self.describe(organization, filters.query),
        )

    async def describe(self, organization: Organization, asked: ReplayQuery) -> str:
        """How many messages a replay would deliver; "" for none."""
        assert asked.since is not None
        count = await search.count_replayable(self.pool, organization.id, asked.since, asked.until)
        if count > MOST_COUNTED:
            return f"more than {MOST_COUNTED:,} messages"
        return format_count(count, "message", "messages") if count else ""

    async def replay(self, visit: Visit) -> web.Response:
        """Deliver the messages of a period again."""
        organization = await self.organization(visit)

        async def act(form: Form) -> web.Response:
            body = read(ReplayBody, form)
            count = await self.relay.replay(visit.actor, organization.id, body.since, body.until)
            state = (await self.relay.status_of(organization)).state
            verb = "is" if count == 1 else "are"
            messages = format_count(count, "message", "messages")
            notice = f"{messages} {verb} delivered again {WHEN[state]}." if count else NOTHING
            return await visit.go(f"{relay_address(organization)}", notice=notice)

        return await fill_in(
            visit,
            "relay/replay.html",
            act,
            organization=organization,
            fault="",
            since=None,
            until=None,
            found="",
        )

    async def resume(self, visit: Visit) -> web.Response:
        """Try a parked server again at once."""
        organization = await self.organization(visit)
        await self.relay.resume(visit.actor, organization.id)
        notice = "Resumed. Callgate tries all messages that wait now."
        return await visit.go(relay_address(organization), notice=notice)

    async def secret(self, visit: Visit) -> web.Response:
        organization = await self.organization(visit)
        return await visit.show("relay/secret.html", **around_secret(organization))

    async def create_secret(self, visit: Visit) -> web.Response:
        """Create the secret, and show it in this answer only. Sent again, the form is out of date."""
        organization = await self.organization(visit)

        async def act(_form: Form) -> web.Response:
            secret = await self.relay.create_secret(visit.actor, organization.id)
            return await visit.show(
                "relay/secret_created.html", organization=organization, secret=secret
            )

        return await fill_in(visit, "relay/secret.html", act, **around_secret(organization))


def faults_of(since: datetime | None, until: datetime | None) -> dict[str, str]:
    """What is wrong with a period, by field of the form."""
    try:
        if since is not None:
            check_period(since, until)
    except BadPeriodError as exc:
        return {str(exc.facts["field"]): exc.message}
    return {}


def around_secret(organization: Organization) -> dict[str, Any]:
    """The context of the page: until when a former secret signs, if there is one."""
    until = organization.former_relay_secret_until
    signs = until is not None and until > datetime.now(UTC)
    return {"organization": organization, "former_until": until if signs else None}
