"""A call as Callgate keeps it: one row a call, with its decision and its way to the end."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from service.domain.decisions import Decision

CallStatus = Literal["in-progress", "ended", "failed"]
GateName = Literal["request", "event", "ring"]


class HangupState(StrEnum):
    """`pending`: being tried. `confirmed`: Vapi says that the call is over. `unconfirmed`: Vapi
    took the command and nothing proves the end. `failed`: no command got through."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hangup:
    """How far the hang-up of a blocked call got. `attempts` counts commands sent to Vapi."""

    state: HangupState
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class NewCall:
    """What a call's first message says of it, with the decision: the row to be inserted.

    `hangup_after_seconds` is None when nothing has to be hung up; otherwise the job is enqueued in
    the transaction that inserts the row. `control_url` is a capability: never log or show it.
    `goodbye` is spoken before the call is hung up. `missed`: no message of it ever came to us.
    `number` is an unregistered phone number's, as far as the message tells.
    """

    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    vapi_phone_number_id: str | None
    type: str | None
    gate: GateName
    decision: Decision
    started_at: datetime
    control_url: str | None = None
    hangup_after_seconds: float | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
    goodbye: str | None = None
    missed: bool = False
    number: str | None = None

    @property
    def blocked(self) -> bool:
        """Whether something is stopped: a stranger's call is refused where it asks, never hung up."""
        known = self.organization_id is not None
        return not self.decision.allowed and (known or self.gate == "request")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as stored, without its control URL.

    `lived_seconds` is how long a blocked call was on the line after we first heard of it. `cut_at`: a
    granted call was ended then, because its organization's access had ended, for `cut_reason`.
    """

    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    status: CallStatus
    blocked: bool
    reason: str
    gate: GateName
    decision: Decision
    hangup: Hangup | None
    started_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Decimal | None
    lived_seconds: float | None = None
    cut_at: datetime | None = None
    cut_reason: str | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class CallEnd:
    """What an ending message tells. Later, fuller reports complete earlier ones; nothing reopens."""

    vapi_call_id: str
    ended_at: datetime
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
