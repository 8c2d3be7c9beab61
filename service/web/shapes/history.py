"""The shape of an organization's entitlements at an instant."""

from typing import Literal
from uuid import UUID

from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import Instant
from service.web.shapes.organizations import Override, Plan, Trial
from service.web.shapes.paging import QueryParameters


class History(ResponseBody):
    """Plan, trial and override as they were at `at`; null where there was none. `unknown` names those
    that are null because the history does not reach back so far."""

    organization_id: UUID
    at: Instant
    plan: Plan | None
    trial: Trial | None
    override: Override | None
    unknown: list[Literal["plan", "trial", "override"]]


class HistoryQuery(QueryParameters):
    """The time; without it, now."""

    at: Instant | None = None
