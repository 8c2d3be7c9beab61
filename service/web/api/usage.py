"""The API's operations on usage."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from service.admin.usage.usage import UsageReports
from service.domain.errors import BadPeriodError
from service.domain.usage.periods import BadUsagePeriodError, Period, check_period, zone_of
from service.web.api.operations import ApiRequest, Operation
from service.web.exports.export import EXPORT_SECONDS, Export
from service.web.exports.usage import export_usage
from service.web.shapes import usage as shapes
from service.web.shapes.errors import InputError
from service.web.shapes.paging import ListPage
from service.web.shapes.usage import PeriodQuery, UsageExportQuery, UsageQuery

UTC_ZONE = zone_of(None)


@dataclass(frozen=True, slots=True)
class UsageOperations:
    """Read requests, call the use cases, shape answers."""

    usage: UsageReports

    async def period_of(
        self, query: PeriodQuery, zone: ZoneInfo = UTC_ZONE, *, begun: Period | None = None
    ) -> Period:
        """The period of a query, whose missing ends are those of `begun`, the list's first page.

        Raises `InputError`, which names the parameter that is wrong.
        """
        if begun is None:
            period = await self.usage.choose(query.since, query.until, zone)
        else:
            period = Period(query.since or begun.since, query.until or begun.until)
        try:
            check_period(period)
        except BadUsagePeriodError as exc:
            raise refused(exc) from None
        return period

    async def get_usage(self, request: ApiRequest) -> BaseModel:
        """Calls, seconds and cost of an organization; without a period, of this month.

        A call counts where it started. Days and months are those of `time_zone`; a plan's limits and
        the panel go by the organization's own. `live_calls` are under way now.
        """
        query: UsageQuery = request.query
        zone = zone_of(query.time_zone)
        period = await self.period_of(query, zone)
        try:
            report = await self.usage.read(
                request.ids["organization_id"], period, query.interval, zone
            )
        except BadUsagePeriodError as exc:
            raise refused(exc) from None
        return shapes.usage_shape(report)

    async def list_usage(self, request: ApiRequest) -> BaseModel:
        """The same sums of every organization, the one with the most seconds first.

        Organizations that were deleted are listed while they have usage in the period.
        """
        query: shapes.UsageListQuery = request.query
        after, begun = shapes.read_place(query.cursor) or (None, None)
        period = await self.period_of(query, begun=begun)
        found = await self.usage.page(period, after=after, limit=query.limit + 1)
        items = found[: query.limit]
        more = len(found) > query.limit
        return ListPage[shapes.UsageItem](
            items=[shapes.item_shape(one) for one in items],
            next_cursor=shapes.write_place(items[-1]) if more else None,
        )

    async def export_usage(self, request: ApiRequest) -> Export[shapes.UsageItem]:
        """The whole list as a file."""
        query: UsageExportQuery = request.query
        found = await self.usage.page(await self.period_of(query))
        return export_usage(found)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/organizations/{organization_id}/usage",
                "Read an organization's usage by day or month",
                self.get_usage,
                shapes.Usage,
                query=UsageQuery,
            ),
            Operation(
                "GET",
                "/usage",
                "List the usage of all organizations, largest first",
                self.list_usage,
                ListPage[shapes.UsageItem],
                query=shapes.UsageListQuery,
            ),
            Operation(
                "GET",
                "/usage/export",
                "Download the usage of all organizations",
                self.export_usage,
                None,
                query=UsageExportQuery,
                exports=True,
                seconds=EXPORT_SECONDS,
            ),
        ]


def refused(exc: BadUsagePeriodError) -> InputError:
    """The problem document of a wrong period."""
    fault = {"field": exc.parameter, "message": exc.message}
    return InputError(422, BadPeriodError.code, BadPeriodError.sentence, [fault])
