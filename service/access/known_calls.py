"""What a replica remembers of calls, in front of their rows: enough to answer later messages."""

import time
from uuid import UUID

import msgspec

from service.domain.calls import NewCall
from service.store.calls.records import StoredDecision


class KnownCall(msgspec.Struct, gc=False):
    """What this replica remembers of a call. `hung_up_at` is monotonic.

    There are tens of thousands of these: the garbage collector need not look at them, which would stop
    all calls for the while. Hence also an id as text.
    """

    decision_id: str
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
        str(call.decision.id),
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
        str(stored.decision.id),
        stored.decision.allowed,
        stored.decision.reason,
        stored.organization_id,
        stored.gate,
        ended=stored.ended,
        hung_up_at=time.monotonic(),
        had_control_url=stored.gate == "event",
    )
