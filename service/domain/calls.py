"""A call as stored: one row per call, with its decision and its hang-up."""

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
    """`pending`: in progress. `confirmed`: Vapi reported the end. `unconfirmed`: Vapi accepted the
    command, but the end is unconfirmed. `failed`: no command reached Vapi."""

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
    """A call at its first message, with its decision: the row to insert.

    `hangup_after_seconds` is None when nothing has to be hung up; otherwise the job is enqueued in
    the transaction that inserts the row. `control_url` is a capability: never log or show it.
    `goodbye` is spoken before the call is hung up. `missed`: Vapi never posted a message of it.
    `number` is the E.164 number of an unregistered phone number, if the message has it.
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
        """Whether the call is stopped: one of an unknown number is refused if it asks, never hung up."""
        known = self.organization_id is not None
        return not self.decision.allowed and (known or self.gate == "request")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as stored, without its control URL.

    `lived_seconds` is how long a blocked call lasted after its first message. `cut_at`: when Callgate
    ended a granted call because its organization's access had ended, for `cut_reason`.
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
    """The end of a call, from a message. Later reports complete earlier ones; no call reopens."""

    vapi_call_id: str
    ended_at: datetime
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
