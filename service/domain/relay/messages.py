"""Messages of calls that organizations' servers get, as kept until they are delivered. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

RelayState = Literal["off", "delivering", "parked"]
"""Off: the organization has no `forward_url`. Parked: its server failed repeatedly, and one message
at a time probes it."""

RelayOutcome = Literal["delivered", "expired", "dropped"]
"""How a kept message ended. Dropped: the organization's oldest ones made room for newer ones."""

RelayMessageState = Literal["waiting", "failed", "delivered", "expired", "dropped"]
"""Failed: it waits too, but an attempt failed. A list of waiting messages includes them."""

CallLine = tuple[UUID, str]
"""An organization and a call of it: what is delivered in order. Messages without a call are one."""


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A lasting message before it has a row. `received_at` None: the moment of its recording.

    `body` is the body as relayed. `vapi_call_id` is empty for a message without a call.
    """

    organization_id: UUID
    webhook_id: str
    vapi_call_id: str
    type: str
    content_type: str
    body: bytes
    decision_id: str | None = None
    received_at: datetime | None = None

    @property
    def line(self) -> CallLine:
        return self.organization_id, self.vapi_call_id


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A row that a worker claimed, without its body. `attempts` were made so far."""

    id: int
    organization_id: UUID
    webhook_id: str
    vapi_call_id: str
    type: str
    content_type: str
    decision_id: str | None
    size: int
    attempts: int = 0

    @property
    def line(self) -> CallLine:
        return self.organization_id, self.vapi_call_id


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How an organization's server takes its messages. `dropped` lasting messages made room for newer
    ones; `last_error` is a sentence of ours without any text of the server."""

    state: RelayState
    waiting: int = 0
    oldest_at: datetime | None = None
    dropped: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None
    probe_at: datetime | None = None
    parked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RelayedMessage:
    """A kept message as listed: `outcome` None while it waits. `claimed`: a replica has it in hand.

    `call_id` is the id of its call here; None for a message without a call, or of one not recorded.
    """

    id: int
    webhook_id: str
    vapi_call_id: str
    type: str
    size: int
    received_at: datetime
    attempts: int
    due_at: datetime
    outcome: RelayOutcome | None
    done_at: datetime | None
    last_error: str | None
    claimed: bool
    call_id: UUID | None

    @property
    def state(self) -> RelayMessageState:
        if self.outcome is not None:
            return self.outcome
        return "failed" if self.attempts else "waiting"


@dataclass(frozen=True, slots=True)
class RelayFigures:
    """How many kept messages of an organization are in which state; `waiting` includes `failed`."""

    waiting: int
    failed: int
    expired: int
    dropped: int


@dataclass(frozen=True, slots=True)
class CallRelay:
    """The kept messages of a call: `waiting` includes `failed`, those of which an attempt failed;
    `lost` expired or were dropped."""

    delivered: int
    waiting: int
    failed: int
    lost: int
