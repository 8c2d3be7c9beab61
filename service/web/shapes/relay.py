"""The shapes of the relay: its state, its secret, and what is to be delivered again."""

from typing import Literal
from uuid import UUID

from service.domain.relay.messages import RelayMessageState
from service.store.relay.search import RelayMessageFilter
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Instant, SearchedId
from service.web.shapes.paging import PageQuery, QueryParameters


class Relay(ResponseBody):
    """How an organization's server takes its messages. `waiting` are lasting messages that it has not
    taken yet, the oldest received at `oldest_at`; `dropped` made room for newer ones."""

    state: Literal["delivering", "parked", "off"]
    waiting: int
    oldest_at: Instant | None
    dropped: int
    last_error: str | None


class RelaySecret(ResponseBody):
    """A signing secret, in this answer only."""

    secret: str


class ReplayBody(RequestBody):
    """Messages received from `since` to before `until`; without `until` to now."""

    since: Instant
    until: Instant | None = None


class Replayed(ResponseBody):
    """How many messages are delivered again."""

    messages: int


class RelayMessagesQuery(PageQuery):
    """Filters of the panel's list. `call` is Vapi's id of a call; `since` and `until` (exclusive) limit
    when messages were received. `waiting` includes `failed`."""

    state: RelayMessageState | None = None
    call: SearchedId | None = None
    since: Instant | None = None
    until: Instant | None = None

    def filter_of(self, organization_id: UUID) -> RelayMessageFilter:
        """The filters of the store, for one organization."""
        return RelayMessageFilter(organization_id, self.state, self.call, self.since, self.until)


class ReplayQuery(QueryParameters):
    """The period of the panel's form."""

    since: Instant | None = None
    until: Instant | None = None


class CallRelay(ResponseBody):
    """A call's lasting messages for the organization's server: `waiting` includes `failed`, of which an
    attempt failed; `lost` expired or were dropped."""

    delivered: int
    waiting: int
    failed: int
    lost: int
