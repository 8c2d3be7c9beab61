"""The shapes of coverage: where blocked calls of a number are stopped."""

from typing import Literal
from uuid import UUID

from service.web.shapes.bodies import ResponseBody

Place = Literal["ring", "request", "event", "predial", "list", "nothing"]


class Hole(ResponseBody):
    """A gap in the coverage. `inherent`: Vapi allows no remedy, or Callgate cannot check it."""

    kind: Literal[
        "not_in_sync",
        "shadowed",
        "still_bound",
        "no_answer",
        "control_disabled",
        "tells_late",
        "web_unregistered",
        "web_server",
        "outbound_late",
        "outbound_assistant",
        "ring_inbound_only",
        "campaign_not_asking",
        "unwatched",
        "sms_not_stopped",
        "split_versions",
    ]
    text: str
    remedy: str
    inherent: bool


class Cover(ResponseBody):
    """One kind of call. `then` are the places, in order, that stop calls which `stopped_at` misses."""

    kind: Literal["inbound", "outbound", "web", "campaign", "sms"]
    stopped_at: Place
    then: list[Place]
    heard: str
    lasts: str
    holes: list[Hole]


class Outage(ResponseBody):
    """The behavior of Vapi while Callgate is down."""

    paying_calls: str
    blocked_calls: str


class Coverage(ResponseBody):
    phone_number_id: UUID
    calls: list[Cover]
    if_callgate_is_down: Outage
