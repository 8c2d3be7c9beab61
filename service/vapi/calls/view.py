"""A call in Vapi's own records: from its list, or asked for alone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from policies.host.ids import id_of
from service.domain.call_records.details import CallDetails, CostParts, canonical_number
from service.vapi.calls.figures import read_cost, read_cost_parts
from service.vapi.hooks import is_refusal
from service.vapi.message_heads import plain
from service.vapi.message_types import CONNECTED
from service.vapi.messages import MOST_OF_NUMBER
from service.vapi.resources import instant, mapping, text


@dataclass(frozen=True, slots=True)
class CallView:
    """A call from `GET /call/{id}`: unlike in messages, its status is live."""

    raw: Mapping[str, Any]

    @property
    def status(self) -> str | None:
        return text(self.raw.get("status"))

    @property
    def is_over(self) -> bool:
        return self.status == "ended" or bool(text(self.raw.get("endedAt")))

    @property
    def control_url(self) -> str | None:
        """A capability: never log it."""
        return text(mapping(self.raw.get("monitor")).get("controlUrl"))

    @property
    def id(self) -> str | None:
        return id_of(self.raw.get("id"))

    @property
    def type(self) -> str | None:
        return text(self.raw.get("type"))

    @property
    def phone_number_id(self) -> str | None:
        return id_of(self.raw.get("phoneNumberId"))

    @property
    def assistant_id(self) -> str | None:
        return id_of(self.raw.get("assistantId"))

    @property
    def ended_reason(self) -> str | None:
        return text(self.raw.get("endedReason"))

    @property
    def created_at(self) -> datetime | None:
        return instant(self.raw.get("createdAt"))

    @property
    def started_at(self) -> datetime | None:
        return instant(self.raw.get("startedAt"))

    @property
    def ended_at(self) -> datetime | None:
        return instant(self.raw.get("endedAt"))

    @property
    def duration_seconds(self) -> float | None:
        """Seconds from start to end, where both are known; None if the call ends before it starts."""
        if self.started_at is None or self.ended_at is None:
            return None
        seconds = (self.ended_at - self.started_at).total_seconds()
        return seconds if seconds >= 0 else None

    @property
    def cost(self) -> Decimal | None:
        return read_cost(self.raw.get("cost"))[0]

    @property
    def cost_parts(self) -> CostParts | None:
        """What the cost is made of, see `read_cost_parts`."""
        return self.parts[0]

    @property
    def parts(self) -> tuple[CostParts | None, bool]:
        return read_cost_parts(self.raw.get("costBreakdown"), self.raw.get("costs"), self.cost)

    @property
    def details(self) -> CallDetails:
        """Who called whom, whether they were connected, and what is not to be believed."""
        began, ended = self.started_at, self.ended_at
        doubted = {
            "cost": read_cost(self.raw.get("cost"))[1],
            "cost_parts": self.parts[1],
            "ended_at": began is not None and ended is not None and ended < began,
        }
        spoke = bool(self.duration_seconds) and not is_refusal(self.ended_reason)
        return CallDetails(
            number_of(self.raw.get("customer")),
            number_of(self.raw.get("phoneNumber")),
            self.assistant_id,
            connected=self.status in CONNECTED or spoke,
            doubts=tuple(sorted(name for name, doubtful in doubted.items() if doubtful)),
        )


def number_of(side: object) -> str | None:
    """The number of one side of a call."""
    return canonical_number(plain(mapping(side).get("number"), MOST_OF_NUMBER))
