"""The shapes of coverage: where blocked calls of a number are stopped."""

from typing import Literal
from uuid import UUID

from service.web.shapes.bodies import ResponseBody

Place = Literal["ring", "request", "event", "predial", "list", "nothing"]


class Hole(ResponseBody):
    """`inherent`: it is in the nature of Vapi, or nobody can see from here whether it is closed."""

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
    ]
    text: str
    remedy: str
    inherent: bool


class Cover(ResponseBody):
    """One kind of call. `then` are the places that catch what `stopped_at` misses, in order."""

    kind: Literal["inbound", "outbound", "web", "campaign"]
    stopped_at: Place
    then: list[Place]
    heard: str
    lasts: str
    holes: list[Hole]


class Outage(ResponseBody):
    """What Vapi does by itself meanwhile."""

    paying_calls: str
    blocked_calls: str


class Coverage(ResponseBody):
    phone_number_id: UUID
    calls: list[Cover]
    if_callgate_is_down: Outage
