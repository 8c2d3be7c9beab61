"""The usage of all organizations as a file."""

from collections.abc import AsyncIterator, Sequence

from service.domain.usage.sums import OrganizationUsage
from service.web.exports.csv_files import csv_moment
from service.web.exports.export import AT_ONCE, Export
from service.web.shapes.usage import UsageItem, item_shape

HEADS = (
    "organization_id",
    "name",
    "external_id",
    "from",
    "to",
    "calls",
    "blocked_calls",
    "seconds",
    "cost",
    "live_calls",
)


def export_usage(found: Sequence[OrganizationUsage]) -> Export[UsageItem]:
    """The sums of a period, a line for each organization."""

    async def pages() -> AsyncIterator[Sequence[UsageItem]]:
        for start in range(0, len(found), AT_ONCE):
            yield [item_shape(one) for one in found[start : start + AT_ONCE]]

    return Export("usage", HEADS, pages(), cells)


def cells(item: UsageItem) -> list[str]:
    """One organization's line."""
    return [
        str(item.organization_id),
        item.name or "",
        item.external_id or "",
        csv_moment(item.since),
        csv_moment(item.until),
        str(item.calls),
        str(item.blocked_calls),
        str(item.seconds),
        str(item.cost),
        str(item.live_calls),
    ]
