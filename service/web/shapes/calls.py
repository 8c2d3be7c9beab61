"""The shapes of calls and of their steps."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import PlainSerializer, StringConstraints

from service.domain.call_records.details import masked_details
from service.domain.calls import Call as StoredCall
from service.domain.people import Role
from service.domain.relay.messages import CallRelay as RelayedCall
from service.store.calls.listing.filters import CallFilter
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.decisions import Decision, decision_values
from service.web.shapes.fields import Id, Instant, Searched, SearchedId, SearchedSlug, Truth
from service.web.shapes.paging import ExportQuery, PageQuery, QueryParameters
from service.web.shapes.relay import CallRelay


class Hangup(ResponseBody):
    state: Literal["pending", "confirmed", "unconfirmed", "failed"]
    attempts: int


Dollars = Annotated[Decimal, PlainSerializer(float, return_type=float)]


class Call(ResponseBody):
    """`caller_number` and `called_number`: the middle of the customer's number is hidden from all but
    admins. `diverted`: the call was blocked, and goes on where its decision sends it. `connected`:
    whether the two sides were connected; null: not recorded. `doubts`: the figures and instants of the
    call that are impossible, so another one or none is shown."""

    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    direction: Literal["inbound", "outbound", "web"] | None
    caller_number: str | None
    called_number: str | None
    assistant_id: str | None
    status: Literal["in-progress", "ended", "failed"]
    blocked: bool
    diverted: bool
    reason: str
    gate: Literal["request", "event", "ring"]
    hangup: Hangup | None
    decision: Decision
    started_at: Instant | None
    ended_at: Instant | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Dollars | None
    cost_parts: dict[str, float] | None
    connected: bool | None
    doubts: list[Literal["cost", "cost_parts", "duration", "ended_at", "started_at"]]
    lived_seconds: float | None
    cut_at: Instant | None
    cut_reason: str | None
    missed: bool
    relay: CallRelay | None


class CallEvent(ResponseBody):
    at: Instant
    kind: str
    detail: dict[str, Any]


class ForgetBody(RequestBody):
    """The number as the calls show it to admins: in E.164, or a SIP address. `dry_run` only counts."""

    number: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    dry_run: bool = False


class ForgottenRecords(ResponseBody):
    """How many records named the caller. `rejected`: on the machine's disk, as PostgreSQL did not take
    them. `waiting`: records and messages on the machine's disk, still on their way to PostgreSQL and not
    forgotten yet; repeat the request until there are none."""

    dry_run: bool
    calls: int
    transcripts: int
    messages: int
    rejected: int
    waiting: int


class CallFilterQuery(QueryParameters):
    """Filters. `search` is an exact id (of a call, an organization, a phone number) or a phone number;
    else the last digits of callers, at least four, or a part of an organization's name or a label. Who
    sees callers' numbers masked finds them by exactly the last four digits, or by the whole number.
    `since` and `until` (exclusive) limit the time of a call's first message.
    `unanswered`: allowed, and ended by Vapi because nothing answered. `policy` decided the call;
    `default`: no policy did. `diverted`: blocked, and sent elsewhere. `claimed_since`: messages since
    then named two organizations."""

    vapi_call_id: SearchedId | None = None
    organization_id: Id | None = None
    phone_number_id: Id | None = None
    blocked: Truth | None = None
    reason: SearchedSlug | None = None
    gate: Literal["request", "event", "ring"] | None = None
    since: Instant | None = None
    until: Instant | None = None
    live: Truth | None = None
    unanswered: Truth | None = None
    policy: SearchedSlug | None = None
    hangup: Literal["pending", "confirmed", "unconfirmed", "failed"] | None = None
    claimed_since: Instant | None = None
    direction: Literal["inbound", "outbound", "web"] | None = None
    refused: Truth | None = None
    diverted: Truth | None = None
    search: Searched | None = None

    @property
    def filter(self) -> CallFilter:
        """The filters of the store, without `search` and `vapi_call_id`."""
        return CallFilter(
            self.organization_id,
            self.phone_number_id,
            self.blocked,
            self.reason,
            self.gate,
            self.since,
            self.until,
            self.live,
            self.unanswered,
            self.policy,
            self.hangup,
            self.claimed_since,
            self.direction,
            self.refused,
            self.diverted,
        )


class CallsQuery(CallFilterQuery, PageQuery):
    """Filters of calls, and the page."""


class CallsExportQuery(CallFilterQuery, ExportQuery):
    """Filters of calls, and the form of the file."""


def call_shape(call: StoredCall, relay: RelayedCall | None = None, *, whole: bool) -> Call:
    """A call with its decision; `relay` None: no message of it is kept for a server. `whole`: with the
    customer's whole number."""
    values = {name: getattr(call, name, None) for name in Call.model_fields}
    details = call.details
    shown = call if whole else replace(call, details=masked_details(details))
    return Call.model_validate(
        {
            **values,
            "caller_number": shown.caller_number,
            "called_number": shown.called_number,
            "diverted": call.is_diverted,
            "assistant_id": details.assistant_id,
            "connected": details.connected,
            "doubts": list(details.doubts),
            "decision": decision_values(call.decision),
            "relay": relay,
        }
    )


def sees_whole_numbers(role: Role) -> bool:
    """Whether a role sees the whole numbers of callers."""
    return role == "admin"
