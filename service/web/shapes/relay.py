"""The shapes of the relay: its state, its secret, and what is to be delivered again."""

from typing import Literal

from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Instant


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
