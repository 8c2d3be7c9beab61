"""The shapes of calls and of their steps."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import PlainSerializer

from service.domain.calls import Call as StoredCall
from service.domain.relay.messages import CallRelay as RelayedCall
from service.store.calls.listing.filters import CallFilter
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.decisions import Decision, decision_values
from service.web.shapes.fields import Id, Instant, Searched, SearchedId, Truth
from service.web.shapes.paging import PageQuery
from service.web.shapes.relay import CallRelay


class Hangup(ResponseBody):
    state: Literal["pending", "confirmed", "unconfirmed", "failed"]
    attempts: int


class Call(ResponseBody):
    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    status: Literal["in-progress", "ended", "failed"]
    blocked: bool
    reason: str
    gate: Literal["request", "event", "ring"]
    hangup: Hangup | None
    decision: Decision
    started_at: Instant | None
    ended_at: Instant | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Annotated[Decimal, PlainSerializer(float, return_type=float)] | None
    lived_seconds: float | None
    cut_at: Instant | None
    cut_reason: str | None
    missed: bool
    relay: CallRelay | None


class CallEvent(ResponseBody):
    at: Instant
    kind: str
    detail: dict[str, Any]


class CallsQuery(PageQuery):
    """Filters. `search` is an exact id (of a call, an organization, a phone number) or a phone number.
    `since` and `until` (exclusive) limit the time of a call's first message.
    `unanswered`: allowed, and ended by Vapi because nothing answered. `policy` decided the call;
    `default`: no policy did. `claimed_since`: messages since then named two organizations."""

    vapi_call_id: SearchedId | None = None
    organization_id: Id | None = None
    phone_number_id: Id | None = None
    blocked: Truth | None = None
    reason: Searched | None = None
    gate: Literal["request", "event", "ring"] | None = None
    since: Instant | None = None
    until: Instant | None = None
    live: Truth | None = None
    unanswered: Truth | None = None
    policy: Searched | None = None
    hangup: Literal["pending", "confirmed", "unconfirmed", "failed"] | None = None
    claimed_since: Instant | None = None
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
        )


def call_shape(call: StoredCall, relay: RelayedCall | None = None) -> Call:
    """A call with its decision; `relay` None: no message of it is kept for a server."""
    values = {name: getattr(call, name) for name in Call.model_fields if name != "relay"}
    added = {"decision": decision_values(call.decision), "relay": relay}
    return Call.model_validate({**values, **added})
