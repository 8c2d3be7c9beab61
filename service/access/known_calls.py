"""What a replica remembers of calls, in front of their rows: enough to answer later messages."""

import time
from dataclasses import dataclass
from uuid import UUID

from service.domain.calls import NewCall
from service.store.calls import StoredDecision


@dataclass(slots=True)
class KnownCall:
    """What this replica remembers of a call. `hung_up_at` is monotonic."""

    decision_id: UUID
    allowed: bool
    reason: str
    organization_id: UUID | None
    gate: str
    ended: bool = False
    hung_up_at: float = 0.0
    had_control_url: bool = False


def known_from(call: NewCall) -> KnownCall:
    """What to remember of a call that was just decided here."""
    return KnownCall(
        call.decision.id,
        call.decision.allowed,
        call.decision.reason,
        call.organization_id,
        call.gate,
        ended=call.ended_at is not None,
        hung_up_at=time.monotonic(),
        had_control_url=call.control_url is not None,
    )


def known_from_stored(stored: StoredDecision) -> KnownCall:
    """What to remember of a call that was decided elsewhere or before a restart."""
    return KnownCall(
        stored.decision.id,
        stored.decision.allowed,
        stored.decision.reason,
        stored.organization_id,
        stored.gate,
        ended=stored.ended,
        hung_up_at=time.monotonic(),
        had_control_url=stored.gate == "event",
    )
