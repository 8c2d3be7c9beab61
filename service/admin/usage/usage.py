"""Reads usage: of one organization by day or month, of all, and how far limits of plans are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from policies.entitlements import PlanLimits
from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.organizations.organizations import stored
from service.domain.organizations import Organization
from service.domain.usage.periods import (
    Interval,
    Period,
    billing_period,
    choose_period,
    intervals,
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
from service.store.usage.listing import Place, list_days, list_local, list_usage
from service.store.usage.sums import count_live, sum_periods

WHOLE = uuid5(NAMESPACE_URL, "urn:callgate:usage")
"""The object of the audit where the usage of all is meant."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """One organization's usage in a period, with that of each interval."""

    usage: OrganizationUsage
    intervals: Sequence[IntervalUsage]


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
class ClientUsage:
    """An organization's usage in a month and in the month before, both of its time zone.

    `state` is how far the limits of its plan are used now. A deleted one does not exist.
    """

    this: OrganizationUsage
    last: UsageSums
    state: LimitState | None
    exists: bool


@dataclass(frozen=True, slots=True)
class OrganizationMonth:
    """An organization's usage this month by day, last month's, and its limits; by its time zone."""

    zone: ZoneInfo
    usage: OrganizationUsage
    days: Sequence[IntervalUsage]
    last: UsageSums
    limits: LimitReport


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
        return await list_usage(self.pool, period, after=after, limit=limit)

    async def read_clients(
        self, month: date, states: Mapping[UUID, LimitState]
    ) -> list[ClientUsage]:
        """All organizations in a month, of which `month` is a day, with the month before beside it.

        `states` are how far limits are used.
        """
        this = await self.list_month(month, months=0)
        before = await self.list_month(month, months=-1)
        # A deleted organization is listed in the months in which it has usage, and in the next one.
        for owner, one in before.items():
            this.setdefault(owner, replace(one, sums=NOTHING))
        return [
            ClientUsage(
                one,
                before[owner].sums if owner in before else NOTHING,
                states.get(owner),
                one.exists,
            )
            for owner, one in this.items()
        ]

    async def list_month(self, month: date, *, months: int) -> dict[UUID, OrganizationUsage]:
        """All organizations in a month of their own time zones; deleted ones in UTC."""
        middle, zones = noon(month.replace(day=15)), await list_local(self.pool)
        found = await list_usage(self.pool, month_of(middle, zone_of(None), months=months))
        usage = {one.organization_id: one for one in found}
        wanted = [
            (owner, month_of(middle, zone_of(zone), months=months))
            for owner, zone in zones.items()
            if owner in usage
        ]
        for (owner, period), sums in zip(wanted, await sum_periods(self.pool, wanted), strict=True):
            usage[owner] = replace(usage[owner], period=period, sums=sums)
        return usage

    async def list_days(self, month: date) -> list[tuple[datetime, UsageSums]]:
        """All organizations together, for each day of a month in UTC."""
        zone = zone_of(None)
        period = month_of(noon(month), zone)
        found = await list_days(self.pool, period)
        return [
            (day.since, found.get(day.since, NOTHING)) for day in intervals(period, "day", zone)
        ]

    async def read_month(self, organization: Organization) -> OrganizationMonth:
        """One organization this month, by its own days."""
        now, zone = await get_now(self.pool), zone_of(organization.time_zone)
        report = await self.read(organization.id, month_of(now, zone), "day", zone)
        (last,) = await sum_periods(self.pool, [(organization.id, month_of(now, zone, months=-1))])
        limits = await self.read_limits(organization)
        return OrganizationMonth(zone, report.usage, report.intervals, last, limits)

    async def now(self) -> datetime:
        """The database's time."""
        return await get_now(self.pool)

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


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def limits_of(organization: Organization) -> PlanLimits | None:
    return None if organization.plan is None else organization.plan.limits
