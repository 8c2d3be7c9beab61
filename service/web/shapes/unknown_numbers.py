"""The shapes of unknown numbers: numbers that call us and are not registered."""

from typing import Literal

from service.admin.phone_numbers.unknown_numbers import unknown_number_version
from service.store.phone_numbers.unknown_numbers import UnknownNumber as StoredNumber
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Answer, Id, Instant, Name, Truth
from service.web.shapes.paging import PageQuery


class UnknownNumbersQuery(PageQuery):
    """Filters: open numbers, or ignored ones."""

    ignored: Truth = False


class ClaimBody(RequestBody):
    organization_id: Id
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class UnknownNumber(ResponseBody):
    has_tag = True

    vapi_phone_number_id: str
    number: str | None
    first_seen_at: Instant
    last_seen_at: Instant
    calls: int
    last_vapi_call_id: str | None
    ignored_at: Instant | None
    ignored_by: str | None


def unknown_number_shape(number: StoredNumber) -> UnknownNumber:
    return UnknownNumber.model_validate(number).in_version(unknown_number_version(number))
