"""The list of organizations as a file for spreadsheets: what is searched and sorted, to its end."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from service.admin.organizations.search import OrganizationList
from service.domain.decisions import Decision
from service.domain.errors import InvalidError
from service.domain.organizations import Organization
from service.web.panel.kit.forms import FormError, judge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit
from service.web.shapes.fields import in_utc
from service.web.shapes.organizations import OrganizationsQuery

AT_ONCE = 50
"""Decided and written in one piece of work, which takes a few milliseconds."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run as a formula if a cell began with it."""

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
    "override",
    "override_expires_at",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class OrganizationExportPages:
    """What everybody may read, as a download."""

    listed: OrganizationList

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/organizations.csv", self.download)]

    async def download(self, visit: Visit) -> web.StreamResponse:
        """All pages of the list, one after the other. Raises `InvalidError`."""
        asked = {name: visit.asked(name) for name in OrganizationsQuery.model_fields}
        given = {name: text for name, text in asked.items() if text and name != "cursor"}
        try:
            wanted = judge(OrganizationsQuery, given).wanted
        except FormError as exc:
            raise InvalidError(f"This address cannot be understood: {exc}") from None
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="organizations.csv"',
                "Cache-Control": "no-store",
            }
        )
        listing = await self.listed.page(wanted, after=None, limit=AT_ONCE)
        await response.prepare(visit.request)
        await response.write(b"\xef\xbb\xbf" + lines([COLUMNS]))
        while True:
            await response.write(lines(cells(*pair) for pair in listing.found))
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
        moment(trial.ends_at if trial else None),
        plan.code if plan else "",
        plan.status if plan else "",
        moment(plan.current_period_end if plan else None),
        override.effect if override else "",
        moment(override.expires_at if override else None),
        moment(organization.created_at),
    ]


def moment(instant: datetime | None) -> str:
    return "" if instant is None else in_utc(instant)


def lines(rows: Iterable[Iterable[str]]) -> bytes:
    """CSV as spreadsheets read it; a cell that looks like a formula is kept a text."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in row)
    return written.getvalue().encode()
