"""The messages that the relay keeps for an organization's server: the list, and one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from service.admin.organizations.organizations import Organizations
from service.admin.relay import RelayCases
from service.domain.errors import NotFoundError
from service.domain.organizations import Organization
from service.domain.texts import is_all
from service.store.pool import Pool
from service.store.relay import search
from service.store.relay.search import MOST_COUNTED
from service.web.panel.kit.choices import filter_of
from service.web.panel.kit.columns import describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import Visit
from service.web.panel.relay.card import relay_address, relay_view
from service.web.panel.relay.views import CHOICES, MessageView
from service.web.shapes.paging import place_in_log, place_in_time, read_cursor, write_cursor
from service.web.shapes.relay import RelayMessagesQuery

FILTERS = ("state", "call", "since", "until")


@dataclass(frozen=True, slots=True)
class RelayPages:
    """Read requests, read messages, render; every role may."""

    pool: Pool
    organizations: Organizations
    relay: RelayCases

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}/relay"
        return [
            PanelPage("GET", one, self.list_page),
            PanelPage("GET", f"{one}/messages/{{message_id}}", self.message),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """An organization's messages, newest first. Invalid filters are reported."""
        organization = await self.organizations.get(visit.id("organization_id"))
        filters = read_filters(visit, RelayMessagesQuery)
        asked, query = filters.asked, filters.query
        wanted = query.filter_of(organization.id)
        after = read_cursor(query.cursor, place_in_time, place_in_log)
        found = await search.list_page(
            self.pool, wanted, after=(after[0], after[1]) if after else None, limit=query.limit + 1
        )
        shown = found[: query.limit]
        more = None
        if len(found) > query.limit:
            last = shown[-1]
            more = visit.here(cursor=write_cursor(last.received_at.isoformat(), last.id))
        filtered = any(asked[name] for name in FILTERS)
        total = await search.count(self.pool, wanted)
        status = await self.relay.status_of(organization)
        address = relay_address(organization)
        return await visit.show(
            "relay/list.html",
            filters.status,
            organization=organization,
            relay=relay_view(
                organization, status, await search.get_figures(self.pool, organization.id)
            ),
            asked=asked,
            query=query,
            fault=filters.fault("messages"),
            states=filter_of("state", "State", CHOICES.items(), asked["state"]),
            total=describe_total(total, "message", filtered=filtered, most=MOST_COUNTED),
            rows=[MessageView(message, status, address) for message in shown],
            more=more,
            filtered=filtered,
            replay=replay_address(address, asked),
        )

    async def message(self, visit: Visit) -> web.Response:
        """One message, without its body: that holds what callers said."""
        organization = await self.organizations.get(visit.id("organization_id"))
        return await show_message(visit, self.relay, organization)


def replay_address(relay: str, asked: Mapping[str, str]) -> str:
    """The page that replays a period: the one of the list, if it has a beginning."""
    given = {name: asked[name] for name in ("since", "until") if asked[name]}
    return f"{relay}/replay?{urlencode(given)}" if asked["since"] else f"{relay}/replay"


def message_id(visit: Visit) -> int:
    """The id of a message from the path. Raises `NotFoundError`."""
    text = visit.request.match_info["message_id"]
    if not is_all(r"[0-9]{1,18}", text):
        raise NotFoundError("This page does not exist.")
    return int(text)


async def show_message(visit: Visit, relay: RelayCases, organization: Organization) -> web.Response:
    """The page of one message. Raises `NotFoundError`."""
    message = await relay.find_message(organization.id, message_id(visit))
    status = await relay.status_of(organization)
    return await visit.show(
        "relay/message.html",
        organization=organization,
        view=MessageView(message, status, relay_address(organization)),
    )
