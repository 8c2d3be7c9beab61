"""The API's operation on coverage: where blocked calls of a number are stopped, and the holes."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from service.admin.phone_numbers.coverage import Coverages
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes.shapes import Given

Place = Literal["ring", "request", "event", "predial", "list", "nothing"]


class Hole(Given):
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


class Cover(Given):
    """One kind of call. `then` are the places that catch what `stopped_at` misses, in order."""

    kind: Literal["inbound", "outbound", "web", "campaign"]
    stopped_at: Place
    then: list[Place]
    heard: str
    lasts: str
    holes: list[Hole]


class Outage(Given):
    """What Vapi does by itself meanwhile."""

    paying_calls: str
    blocked_calls: str


class Coverage(Given):
    phone_number_id: UUID
    calls: list[Cover]
    if_callgate_is_down: Outage


@dataclass(frozen=True, slots=True)
class CoverageOperations:
    """Reads requests, calls the use cases, shapes answers."""

    coverages: Coverages

    async def get(self, asked: ApiRequest) -> BaseModel:
        found = await self.coverages.of(asked.ids["phone_number_id"])
        return Coverage.model_validate(found)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/phone-numbers/{phone_number_id}/coverage",
                "Where blocked calls of a number are stopped, and where they are not",
                self.get,
                Coverage,
            )
        ]
