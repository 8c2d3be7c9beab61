"""Phone numbers as a file: the list with its filters and its order."""

from collections.abc import AsyncIterator, Mapping, Sequence

from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.store import audit
from service.store.phone_numbers.search import NumberSort, PhoneNumberFilter
from service.web.exports.csv_files import csv_moment, csv_value
from service.web.exports.export import AT_ONCE, Export
from service.web.shapes.phone_numbers import PhoneNumber, phone_number_shape

HEADS = (
    "id",
    "vapi_phone_number_id",
    "number",
    "label",
    "organization_id",
    "organization",
    "gate",
    "sync_state",
    "last_error",
    "last_call_at",
    "last_checked_at",
    "created_at",
    "paused",
    "unanswered",
)


def export_phone_numbers(
    numbers: PhoneNumbers, wanted: PhoneNumberFilter, sort: NumberSort
) -> Export[PhoneNumber]:
    """The numbers that a list with these filters shows."""
    names = dict[str, str]()

    async def pages() -> AsyncIterator[Sequence[PhoneNumber]]:
        found = await numbers.find_page(wanted, sort=sort, limit=AT_ONCE)
        while True:
            owners = dict.fromkeys(str(number.organization_id) for number in found.numbers)
            names.clear()
            names.update(await audit.find_names(numbers.pool, list(owners)))
            yield [phone_number_shape(number) for number in found.numbers]
            if found.next is None:
                return
            found = await numbers.find_page(wanted, sort=sort, after=found.next, limit=AT_ONCE)

    return Export("phone-numbers", HEADS, pages(), lambda number: cells(number, names))


def cells(number: PhoneNumber, names: Mapping[str, str]) -> list[str]:
    """One number's line."""
    return [
        str(number.id),
        number.vapi_phone_number_id,
        number.number or "",
        number.label or "",
        str(number.organization_id),
        names.get(str(number.organization_id), ""),
        number.gate,
        number.sync.state,
        number.sync.last_error or "",
        csv_moment(number.conditions.last_event_at),
        csv_moment(number.sync.last_checked_at),
        csv_moment(number.created_at),
        csv_value(number.pause is not None),
        number.unanswered or "",
    ]
