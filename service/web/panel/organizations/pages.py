"""Organizations in the panel: the list, the page of one, its own fields, adding and removing."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from service.admin.organizations.access import Explained, OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.search import OrganizationList
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.relay import RelayCases
from service.admin.timeline import Timeline
from service.admin.usage.usage import UsageReports
from service.domain.decisions import NO_TERMS, Decision
from service.domain.instants import parse_written_instant
from service.domain.organizations import Organization
from service.domain.wording.blocked_messages import format_blocked_message
from service.store.calls.listing import search
from service.store.organizations.search import MOST_COUNTED
from service.store.organizations.timeline import Place
from service.store.phone_numbers.search import PhoneNumberFilter
from service.store.pool import Pool
from service.store.relay.search import get_figures
from service.web.panel.audit.views import event_view
from service.web.panel.kit.choices import ACCESS_REASONS, PLAN_STATUSES, Pair, filter_of, labelled
from service.web.panel.kit.columns import Column, column, describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.queries import read_filters
from service.web.panel.kit.visit import Visit
from service.web.panel.organizations.views import (
    OrganizationNumber,
    OrganizationRow,
    OrganizationView,
    RecentCall,
    access_view,
)
from service.web.panel.organizations.what_if import what_if_choices
from service.web.panel.relay.card import relay_view
from service.web.panel.usage.views import usage_view
from service.web.shapes.organizations import (
    OrganizationsQuery,
    read_position,
    write_position,
)
from service.web.shapes.paging import (
    place_in_log,
    place_in_time,
    read_cursor,
    write_cursor,
)

SHOWN_NUMBERS, SHOWN_CALLS, SHOWN_EVENTS = 20, 8, 12


FILTERS: Mapping[str, tuple[str, list[Pair]]] = {
    "reason": ("Reason", labelled(ACCESS_REASONS)),
    "trial": (
        "Trial",
        [
            ("running", "On trial"),
            ("ending", "Ends within 7 days"),
            ("ended", "Has ended"),
            ("none", "None"),
        ],
    ),
    "plan_status": (
        "Plan",
        [
            *labelled(status for status, _ in PLAN_STATUSES),
            ("none", "None"),
        ],
    ),
    "override": ("Override", [("true", "Has one"), ("false", "Has none")]),
    "numbers": ("Numbers", [("false", "No numbers"), ("true", "Has numbers")]),
    "relay": (
        "Relay",
        [("delivering", "Delivering"), ("parked", "Parked"), ("off", "Off")],
    ),
}
"""The filters that are folded away, each with its label and its options."""


@dataclass(frozen=True, slots=True)
class OrganizationPages:
    """Read requests, call the use cases, render. `blocked_message` is the service's default."""

    pool: Pool
    organizations: Organizations
    listed: OrganizationList
    access: OrganizationAccess
    events: Timeline
    numbers: PhoneNumbers
    blocked_message: str
    relay: RelayCases
    usage: UsageReports

    def pages(self) -> list[PanelPage]:
        one = "/organizations/{organization_id}"
        return [
            PanelPage("GET", "/organizations", self.list_page),
            PanelPage("GET", one, self.page),
            PanelPage("GET", f"{one}/timeline", self.timeline),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The list. Invalid filters are reported, and all organizations are shown."""
        filters = read_filters(visit, OrganizationsQuery)
        asked, query = filters.asked, filters.query
        listing = await self.listed.page(
            query.wanted, after=read_position(query.cursor, query.sort), limit=query.limit
        )
        total = await self.listed.count(query.wanted)
        cursor = write_position(listing.next)
        given = {name for name, text in asked.items() if text}
        allowed = [("true", "Allowed"), ("false", "Blocked")]
        return await visit.show(
            "organizations/list.html",
            filters.status,
            asked=asked,
            fault=filters.fault("organizations"),
            total=""
            if total is None
            else describe_total(
                total,
                "organization",
                filtered=bool(given - {"sort", "cursor", "limit"}),
                most=MOST_COUNTED,
            ),
            access=filter_of("allowed", "Access", allowed, asked["allowed"]),
            filters=[
                filter_of(name, label, pairs, asked[name])
                for name, (label, pairs) in FILTERS.items()
            ],
            filters_open=bool(given & FILTERS.keys()),
            columns=[
                column(visit, "Name", "name", query.sort),
                Column("Access now", "", wide=False),
                column(visit, "Trial ends", "trial_ends_at", query.sort),
                Column("Plan", "", wide=True),
                column(visit, "Plan ends", "plan_ends_at", query.sort, wide=True),
                column(visit, "Added", "created_at", query.sort, wide=True),
            ],
            rows=[OrganizationRow(*pair) for pair in listing.found],
            more=visit.here(cursor=cursor) if cursor else None,
            csv=visit.here(cursor=None, limit=None).replace(
                "/organizations", "/organizations.csv", 1
            ),
            filtered=bool(given - {"sort", "cursor", "limit"}),
        )

    async def page(self, visit: Visit) -> web.Response:
        """One organization with everything that support needs."""
        organization = await self.organizations.get(visit.id("organization_id"))
        explained = await self.access.explain_stored(organization)
        other, fault = await self.access_at(visit, organization)
        owned = PhoneNumberFilter(organization_id=organization.id)
        numbers = await self.numbers.find_page(owned, sort="label", limit=SHOWN_NUMBERS)
        calls = await search.list_page(
            self.pool,
            vapi_call_id=None,
            organization_id=organization.id,
            blocked=None,
            after=None,
            limit=SHOWN_CALLS,
        )
        events = await self.events.page(organization.id, after=None, limit=SHOWN_EVENTS)
        return await visit.show(
            "organizations/page.html",
            organization=organization,
            view=self.view(organization, explained),
            access=access_view(explained),
            other=access_view(other) if other else None,
            choices=await what_if_choices(self.numbers, organization),
            supposed={},
            at=visit.asked("at"),
            at_fault=fault,
            numbers=[OrganizationNumber(number) for number in numbers.numbers],
            more_numbers=numbers.next is not None,
            calls=[RecentCall(call) for call, _ in calls],
            events=[event_view(event, visit) for event in events.found],
            more_events=events.next is not None,
            usage=usage_view(await self.usage.read_month(organization)),
            relay=relay_view(
                organization,
                await self.relay.status_of(organization),
                await get_figures(self.pool, organization.id),
            ),
        )

    def view(self, organization: Organization, explained: Explained) -> OrganizationView:
        """The page's view, with the message for callers who are, or would next be, blocked."""
        denial = find_denial(explained)
        if denial is None:
            reason, at, terms = denial_of(organization), explained.decision.decided_at, NO_TERMS
        else:
            reason, at, terms = denial.reason, denial.decided_at, denial.terms
        message = format_blocked_message(organization, reason, self.blocked_message, at, terms)
        return OrganizationView(organization, explained.decision, message, reason)

    async def access_at(
        self, visit: Visit, organization: Organization
    ) -> tuple[Explained | None, str]:
        """The access at the time in the address, or an error about the time."""
        text = visit.asked("at")
        if not text:
            return None, ""
        try:
            at = parse_written_instant(text)
            return await self.access.explain_stored(organization, at), ""
        except ValueError as exc:
            return None, f"Enter a date and a time. “{text[:40]}” {exc}."

    async def timeline(self, visit: Visit) -> web.Response:
        """The timeline of an organization."""
        organization = await self.organizations.get(visit.id("organization_id"))
        found = read_cursor(visit.asked("cursor") or None, place_in_time, place_in_log)
        after: Place | None = (found[0], found[1]) if found else None
        page = await self.events.page(organization.id, after=after, limit=50)
        cursor = write_cursor(page.next[0].isoformat(), page.next[1]) if page.next else None
        return await visit.show(
            "organizations/timeline.html",
            organization=organization,
            events=[event_view(event, visit) for event in page.found],
            more=visit.here(cursor=cursor) if cursor else None,
        )


def find_denial(explained: Explained) -> Decision | None:
    """The present denial, or the next one among the upcoming changes."""
    decisions = (explained.decision, *(turn.decision for turn in explained.turns))
    return next((one for one in decisions if not one.allowed), None)


def denial_of(organization: Organization) -> str:
    """The reason that would block an organization whose access has no known end."""
    if organization.plan is not None:
        return "plan_ended"
    return "trial_expired" if organization.trial is not None else "no_plan_or_trial"
