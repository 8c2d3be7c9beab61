"""The list of organizations as a CSV file, with the search and the order of the page."""

from dataclasses import dataclass

from aiohttp import web

from service.admin.organizations.search import OrganizationList
from service.domain.decisions import Decision
from service.domain.errors import InvalidError
from service.domain.organizations import Organization
from service.web.exports.csv_files import MARK, csv_headers, csv_lines, csv_moment
from service.web.panel.kit.forms import FormError, judge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.shapes.organizations import OrganizationsQuery

AT_ONCE = 50
"""Decided and written in one piece of work, which takes a few milliseconds."""

COLUMNS = (
    "id",
    "name",
    "external_id",
    "allowed",
    "reason",
    "trial_ends_at",
    "plan_code",
    "plan_status",
    "plan_ends_at",
    "plan_grace_ends_at",
    "plan_cancels",
    "plan_as_of",
    "override",
    "override_expires_at",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class OrganizationExportPages:
    """The download; every role may read it."""

    listed: OrganizationList

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/organizations.csv", self.download, is_long=True)]

    async def download(self, visit: Visit) -> web.StreamResponse:
        """Stream all pages of the list. Raises `InvalidError`."""
        asked = {name: visit.asked(name) for name in OrganizationsQuery.model_fields}
        given = {name: text for name, text in asked.items() if text and name != "cursor"}
        try:
            wanted = judge(OrganizationsQuery, given).wanted
        except FormError as exc:
            raise InvalidError(f"The address has invalid filters: {exc}") from None
        if visit.request.method == "HEAD":
            return web.Response(headers=csv_headers("organizations.csv"))
        response = web.StreamResponse(headers=csv_headers("organizations.csv"))
        listing = await self.listed.page(wanted, after=None, limit=AT_ONCE)
        await response.prepare(visit.request)
        await response.write(MARK + csv_lines([COLUMNS]))
        while True:
            await response.write(csv_lines(cells(*pair) for pair in listing.found))
            if listing.next is None:
                break
            listing = await self.listed.page(wanted, after=listing.next, limit=AT_ONCE)
        await response.write_eof()
        return response


def cells(organization: Organization, decision: Decision) -> list[str]:
    """One organization's line."""
    plan, trial, override = organization.plan, organization.trial, organization.override
    return [
        str(organization.id),
        organization.name,
        organization.external_id or "",
        "true" if decision.allowed else "false",
        decision.reason,
        csv_moment(trial.ends_at if trial else None),
        plan.code if plan else "",
        plan.status if plan else "",
        csv_moment(plan.current_period_end if plan else None),
        csv_moment(plan.grace_period_end if plan else None),
        ("true" if plan.cancel_at_period_end else "false") if plan else "",
        csv_moment(plan.as_of if plan else None),
        override.effect if override else "",
        csv_moment(override.expires_at if override else None),
        csv_moment(organization.created_at),
    ]
