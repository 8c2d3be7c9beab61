"""The list of phone numbers: searched, sorted, counted, and as a CSV file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.domain.phone_numbers import PhoneNumber, SyncState
from service.store import audit
from service.store.phone_numbers.concerned import NUMBER_CONDITIONS, NumberCondition
from service.store.phone_numbers.matching import MOST_SORTED
from service.store.phone_numbers.search import SORTS, NumberSort, PhoneNumberFilter
from service.store.pool import Pool
from service.web.exports.export import send_export
from service.web.exports.phone_numbers import export_phone_numbers
from service.web.panel.kit.badges import Badge, state_badge
from service.web.panel.kit.choices import filter_of, labelled
from service.web.panel.kit.columns import Column, column, describe_total
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.panel.phone_numbers.views import NumberRow, organization_link
from service.web.shapes.errors import InputError
from service.web.shapes.paging import read_cursor, write_cursor

PER_PAGE = 50
STATES = tuple(state.value for state in SyncState)
CONDITION_LABELS: Mapping[NumberCondition, str] = {
    "numbers_fought": "Changed by another system",
    "numbers_moved": "Has another id at Vapi",
    "numbers_silent": "In sync, without calls",
    "numbers_unlisted": "Not listed by Vapi",
    "calls_unanswered": "Last call not answered",
    "former_secrets_hidden": "Former secret hidden",
    "still_bound": "Assistant still attached",
    "web_unregistered": "Web calls not assigned",
}
GATE_CHOICES = [("event", "Event"), ("request", "Request")]


@dataclass(frozen=True, slots=True)
class StateTotal:
    """How many of the listed numbers have a state; the link shows only these."""

    badge: Badge
    count: int
    address: str


def wanted_of(visit: Visit) -> tuple[PhoneNumberFilter, NumberSort]:
    """The filters and the order in the address. An unknown value is ignored."""
    state, gate, asked = visit.asked("sync_state"), visit.asked("gate"), visit.asked("sort")
    wanted = PhoneNumberFilter(
        visit.asked("query")[:200],
        visit.asked_id("organization_id"),
        state if state in STATES else None,
        gate if gate in ("event", "request") else None,
        visit.asked("paused") == "true",
        visit.asked("unanswered") == "true",
        next((one for one in NUMBER_CONDITIONS if one == visit.asked("condition")), None),
    )
    return wanted, next((sort for sort in SORTS if sort == asked), "label")


@dataclass(frozen=True, slots=True)
class PhoneNumberListPages:
    """Read requests, read numbers, render."""

    pool: Pool
    numbers: PhoneNumbers

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/numbers", self.list_page),
            PanelPage("GET", "/numbers.csv", self.download, is_long=True),
        ]

    async def list_page(self, visit: Visit) -> web.Response:
        """The numbers that match the filters, and how many there are in each state."""
        wanted, sort = wanted_of(visit)
        try:
            found = read_cursor(visit.asked("cursor") or None, str, UUID)
        except InputError:
            found = None
        after = None if found is None else (found[0], found[1])
        page = await self.numbers.find_page(wanted, sort=sort, after=after, limit=PER_PAGE)
        totals = await self.numbers.count(wanted)
        names = await self.names(page.numbers)
        more = visit.here(cursor=write_cursor(*page.next)) if page.next else None
        return await visit.show(
            "phone_numbers/list.html",
            rows=[NumberRow(one, organization_link(one, names)) for one in page.numbers],
            wanted=wanted,
            sort=visit.asked("sort"),
            filters=[
                filter_of("sync_state", "Webhook", labelled(STATES), wanted.sync_state),
                filter_of("gate", "Gate", GATE_CHOICES, wanted.gate),
                filter_of(
                    "paused", "Paused", [("true", "Paused")], "true" if wanted.paused else ""
                ),
                filter_of(
                    "unanswered",
                    "Allowed calls",
                    [("true", "Not answered")],
                    "true" if wanted.unanswered else "",
                ),
                filter_of("condition", "Condition", CONDITION_LABELS.items(), wanted.condition),
            ],
            columns=columns_of(visit, sort),
            total=describe_total(
                totals.total,
                "number",
                filtered=wanted != PhoneNumberFilter(),
                most=MOST_SORTED if wanted.query else None,
            ),
            states=[
                StateTotal(
                    state_badge(state), count, visit.here(sync_state=state.value, cursor=None)
                )
                for state in SyncState
                if (count := totals.by_state.get(state, 0)) and wanted.sync_state is None
            ],
            all_organizations=visit.here(organization_id=None, cursor=None),
            more=more,
            csv=visit.here(cursor=None).replace("/numbers", "/numbers.csv", 1),
            filtered=wanted != PhoneNumberFilter(),
        )

    async def names(self, numbers: Sequence[PhoneNumber]) -> Mapping[str, str]:
        """The names of the numbers' organizations, by id."""
        ids = dict.fromkeys(str(number.organization_id) for number in numbers)
        return await audit.find_names(self.pool, list(ids))

    async def download(self, visit: Visit) -> web.StreamResponse:
        """All numbers of the list in its order, page by page."""
        wanted, sort = wanted_of(visit)
        export = export_phone_numbers(self.numbers, wanted, sort)
        return await send_export(visit.request, export, "csv", marked=True)


def columns_of(visit: Visit, sort: str) -> list[Column]:
    """The heads; the list is sorted by label, number or organization."""
    return [
        column(visit, "Label", "label", sort),
        column(visit, "Number", "number", sort),
        column(visit, "Organization", "organization", sort),
        Column("Webhook", "", wide=False),
        Column("Gate", "", wide=True),
        Column("Last call", "", wide=True),
        Column("Last check", "", wide=True),
    ]
