"""What observers learn about calls: frozen facts, after the decision. No I/O here."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

CallEventKind = Literal["decided", "cut", "ended", "hung_up"]
"""`decided`: a call was allowed or denied. `cut`: Callgate ends an allowed call, because access ended or
it lasts too long. `ended`: a call is over. `hung_up`: Vapi confirmed that a denied or cut call is."""


@dataclass(frozen=True, slots=True)
class CallDecision:
    """The decision on a call: allowed or not, the reason, and the policy that gave it. `diverted`: the
    call was not refused, but goes on elsewhere."""

    id: UUID
    allowed: bool
    reason: str
    determined_by: str | None = None
    diverted: bool = False


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened to a call, at `at` by the database's clock. What is not known is None.

    `organization_id` is None for a call of an unregistered number. `decision` is None where the replica
    that saw the event does not remember it. `cut_reason` comes with `cut`; the instants of the end, its
    reason (Vapi's word), the duration and the cost (US dollars) with `ended` and `hung_up`.
    """

    kind: CallEventKind
    at: datetime
    vapi_call_id: str
    organization_id: UUID | None = None
    organization_name: str | None = None
    decision: CallDecision | None = None
    cut_reason: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
