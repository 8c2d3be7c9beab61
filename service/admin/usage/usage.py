"""Reads usage: of one organization by day or month, of all, and how far limits of plans are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from policies.contract import PlanLimits
from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.organizations.organizations import stored
from service.domain.organizations import Organization
from service.domain.usage.periods import (
    Interval,
    Period,
    billing_period,
    choose_period,
    list_intervals,
    month_of,
    zone_of,
)
from service.domain.usage.sums import (
    NOTHING,
    IntervalUsage,
    LimitState,
    LimitUse,
    OrganizationUsage,
    UsageSums,
    limit_state,
    limit_uses,
)
from service.store.clock import get_now
from service.store.pool import Pool
from service.store.usage import folding, limits
from service.store.usage.folding import Rebuilt
from service.store.usage.listing import EVERY_ZONE, Periods, Place, list_usage, list_zones
from service.store.usage.sums import count_live, sum_periods

WHOLE = uuid5(NAMESPACE_URL, "urn:callgate:usage")
"""The object of the audit where the usage of all is meant."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """One organization's usage in a period, with that of each interval."""

    usage: OrganizationUsage
    intervals: Sequence[IntervalUsage]


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """An organization's usage this month and last month, each in its time zone."""

    this: OrganizationUsage
    last: UsageSums


@dataclass(frozen=True, slots=True)
class LimitReport:
    """How far the limits of an organization's plan are used in the present period."""

    organization_id: UUID
    name: str
    period: Period
    uses: Sequence[LimitUse]

    @property
    def state(self) -> LimitState | None:
        return limit_state(self.uses)


@dataclass(frozen=True, slots=True)
class UsageReports:
    """Use cases of usage; every role may read it."""

    pool: Pool

    async def choose(
        self, since: datetime | None, until: datetime | None, zone: ZoneInfo
    ) -> Period:
        """The period that a question means, by the database's clock."""
        return choose_period(since, until, await get_now(self.pool), zone)

    async def read(
        self, organization_id: UUID, period: Period, interval: Interval, zone: ZoneInfo
    ) -> UsageReport:
        """One organization's usage. Raises `NotFoundError`, `BadUsagePeriodError`."""
        pieces = list_intervals(period, interval, zone)
        found = await stored(self.pool, organization_id)
        sums = await sum_periods(self.pool, [(organization_id, piece) for piece in pieces])
        live = await count_live(self.pool, [organization_id])
        usage = OrganizationUsage(
            organization_id,
            found.name,
            found.external_id,
            period,
            sum(sums, NOTHING),
            live.get(organization_id, 0),
        )
        parts = zip(pieces, sums, strict=True)
        return UsageReport(usage, [IntervalUsage(piece.since, one) for piece, one in parts])

    async def page(
        self, period: Period, *, after: Place | None = None, limit: int | None = None
    ) -> list[OrganizationUsage]:
        """All organizations in one period, largest first; without `limit`, all of them."""
        return await list_usage(self.pool, {EVERY_ZONE: period}, after=after, limit=limit)

    async def read_months(self) -> list[MonthUsage]:
        """All organizations this month, each with last month beside it."""
        now, zones = await get_now(self.pool), await list_zones(self.pool)
        this: Periods = {name: month_of(now, zone_of(name)) for name in zones}
        last: Periods = {name: month_of(now, zone_of(name), months=-1) for name in zones}
        before = {one.organization_id: one.sums for one in await list_usage(self.pool, last)}
        found = await list_usage(self.pool, this)
        return [MonthUsage(one, before.get(one.organization_id, NOTHING)) for one in found]

    async def read_limits(self, organization: Organization) -> LimitReport:
        """How far the limits of one organization's plan are used now."""
        (found,) = await self.report_limits([organization])
        return found

    async def list_limits(self) -> list[LimitReport]:
        """The same of all organizations whose plan has limits."""
        return await self.report_limits(await limits.list_limited(self.pool))

    async def report_limits(self, organizations: Sequence[Organization]) -> list[LimitReport]:
        now = await get_now(self.pool)
        periods = [billing_period(one.plan, now, zone_of(one.time_zone)) for one in organizations]
        ids = [one.id for one in organizations]
        sums = await sum_periods(self.pool, list(zip(ids, periods, strict=True)))
        live = await count_live(self.pool, ids)
        return [
            LimitReport(
                one.id,
                one.name,
                period,
                limit_uses(limits_of(one), used, live.get(one.id, 0)),
            )
            for one, period, used in zip(organizations, periods, sums, strict=True)
        ]

    async def rebuild(self, actor: Actor) -> Rebuilt:
        """Sum up again all calls that are kept, and put wrong sums right."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            rebuilt = await folding.rebuild(connection)
            values = {"calls": rebuilt.calls, "corrected": rebuilt.corrected}
            await record(connection, actor, "usage.rebuilt", WHOLE, after=values)
        return rebuilt


def limits_of(organization: Organization) -> PlanLimits | None:
    return None if organization.plan is None else organization.plan.limits
