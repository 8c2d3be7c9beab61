"""A replica's cache in front of the rows of calls: enough to answer later messages of each."""

import time
from collections import OrderedDict
from uuid import UUID

import msgspec

from service.domain.calls import NewCall
from service.store.calls.decisions import StoredDecision

MOST_CALLS = 50_000


class KnownCall(msgspec.Struct, gc=False):
    """One cached call. `hung_up_at` is monotonic: when its last hang-up began.

    A replica holds tens of thousands of these. The garbage collector skips them, because traversing
    them would pause every call; for the same reason `decision_id` is text.
    """

    decision_id: str
    allowed: bool
    reason: str
    organization_id: UUID | None
    gate: str
    ended: bool = False
    hung_up_at: float = 0.0
    had_control_url: bool = False


class KnownCalls:
    """The calls used last, at most `MOST_CALLS` of them."""

    def __init__(self) -> None:
        self.calls: OrderedDict[str, KnownCall] = OrderedDict()

    def get(self, call_id: str) -> KnownCall | None:
        """The cached call, which thereby becomes the one used last."""
        known = self.calls.get(call_id)
        if known is not None:
            self.calls.move_to_end(call_id)
        return known

    def put(self, call_id: str, known: KnownCall) -> None:
        """Cache a call; the one unused for longest makes room."""
        self.calls[call_id] = known
        while len(self.calls) > MOST_CALLS:
            self.calls.popitem(last=False)

    def replace(self, call_id: str, known: KnownCall) -> None:
        """Put the stored decision in the place of ours; an end that was seen stays seen."""
        earlier = self.calls.get(call_id)
        if earlier is not None:
            known.ended = known.ended or earlier.ended
            self.calls[call_id] = known


def known_from(call: NewCall) -> KnownCall:
    """The cache entry of a call that this replica has just decided."""
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
    """The cache entry of a call that another replica, or an earlier process, decided."""
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
