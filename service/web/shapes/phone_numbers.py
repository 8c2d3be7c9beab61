"""The shapes of phone numbers and of the state of their webhooks."""

from typing import Any, Literal
from uuid import UUID

from service.admin.phone_numbers.phone_numbers import number_version
from service.domain.phone_numbers import PhoneNumber as StoredPhoneNumber
from service.store.phone_numbers.concerned import NumberCondition
from service.store.phone_numbers.search import NumberSort, PhoneNumberFilter, Position
from service.web.shapes.bodies import PatchBody, RequestBody, ResponseBody
from service.web.shapes.fields import Answer, Id, Instant, Name, Searched, Truth, VapiId
from service.web.shapes.paging import ExportQuery, PageQuery, QueryParameters, read_cursor


class PhoneNumberBody(RequestBody):
    organization_id: Id
    vapi_phone_number_id: VapiId
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class PhoneNumberPatch(PatchBody):
    organization_id: Id = UUID(int=0)
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class FieldDrift(ResponseBody):
    field: str
    desired: Any
    observed: Any


class Sync(ResponseBody):
    state: Literal["pending", "in_sync", "drifted", "shadowed", "missing", "failed", "paused"]
    level: Literal["phone_number", "assistant"]
    drift: list[FieldDrift]
    last_checked_at: Instant | None
    last_error: str | None
    next_attempt_at: Instant | None


class Pause(ResponseBody):
    at: Instant
    by: str
    reason: str
    until: Instant | None


class Conditions(ResponseBody):
    configured: bool | None
    unshadowed: bool | None
    last_event_at: Instant | None


class PhoneNumber(ResponseBody):
    """`secret_lost`: the former webhook's secret, which Vapi does not show, cannot be restored.

    `successor_vapi_id`: the number is missing at Vapi, which has it again under this id.
    `unanswered`: nothing answers allowed calls: `nothing` is set, or Vapi lacks what is named here.
    """

    id: UUID
    organization_id: UUID
    vapi_phone_number_id: str
    number: str | None
    label: str | None
    gate: Literal["event", "request"]
    answer_with: dict[str, Any] | None
    sync: Sync
    pause: Pause | None
    conditions: Conditions
    secret_lost: bool
    successor_vapi_id: str | None
    unanswered: str | None
    created_at: Instant
    updated_at: Instant


class PhoneNumberFilterQuery(QueryParameters):
    """Filters: the organization, the state of the webhook, and `search`: a part of the number, the
    label, the id at Vapi or the organization's name. `unanswered`: nothing answers
    allowed calls. `condition`: those that the condition of this name counts (`still_bound` and
    `web_unregistered`: that have this hole in their coverage)."""

    organization_id: Id | None = None
    sync_state: (
        Literal["pending", "in_sync", "drifted", "shadowed", "missing", "failed", "paused"] | None
    ) = None
    search: Searched | None = None
    unanswered: Truth | None = None
    condition: NumberCondition | None = None
    sort: NumberSort = "id"

    @property
    def filter(self) -> PhoneNumberFilter:
        """The filters of the store."""
        return PhoneNumberFilter(
            self.search or "",
            self.organization_id,
            self.sync_state,
            unanswered=bool(self.unanswered),
            condition=self.condition,
        )


class PhoneNumbersExportQuery(PhoneNumberFilterQuery, ExportQuery):
    """Filters of numbers, their order, and the form of the file."""


class PhoneNumbersQuery(PhoneNumberFilterQuery, PageQuery):
    """Filters of numbers, their order, and the page."""

    @property
    def position(self) -> Position | None:
        """The place after which the list goes on. Raises `InputError`."""
        found = read_cursor(self.cursor, str, UUID)
        return None if found is None else (found[0], found[1])


def phone_number_shape(number: StoredPhoneNumber) -> PhoneNumber:
    """A number with the state of its webhook."""
    return PhoneNumber.model_validate(number).in_version(number_version(number))
