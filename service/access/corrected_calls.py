"""Brings stored decisions into this replica's memory where it decided otherwise.

With PostgreSQL away each replica decides alone; when it is back one decision is stored. By level: each
turn reads the calls whose record was still in a spool, and those whose decision was exchanged since
the last turn that succeeded. So an outage of PostgreSQL loses nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice

from service.access.known_calls import KnownCall, KnownCalls, keep_deeds, known_from_stored
from service.background import BackgroundLoop
from service.domain.calls import CallKey
from service.store.calls.call_store import CallStore
from service.store.calls.decisions import StoredDecision
from service.store.pool import UNAVAILABLE

OVERLAP = timedelta(seconds=30)
"""An exchange has the time of its statement, and is visible only after the commit."""
BATCH = 1000


class CorrectedCalls:
    """Reads the stored decisions every `interval` seconds."""

    def __init__(self, calls: CallStore, known: KnownCalls, interval: float = 1.0) -> None:
        self.calls = calls
        self.known = known
        self.interval = interval
        self.read_until: datetime | None = None

    def background(self) -> BackgroundLoop:
        return BackgroundLoop(
            "corrected_calls", self.turn, interval=self.interval, outages=UNAVAILABLE
        )

    async def turn(self) -> None:
        """Read what may differ from memory. The longest unconfirmed come first, a batch a turn."""
        since = self.read_until and self.read_until - OVERLAP
        now, corrected = await self.calls.list_corrected(since)
        wanted = [call_id for call_id in corrected if call_id in self.known.calls]
        waiting = list(islice(self.known.unconfirmed, BATCH))
        if wanted or waiting:
            found = await self.calls.find_decisions([*wanted, *waiting])
            self.take({stored.key: stored for stored in found.values()})
        for call_id in waiting:
            # What is not recorded yet goes to the back of the line.
            if call_id in self.known.unconfirmed:
                del self.known.unconfirmed[call_id]
                self.known.unconfirmed[call_id] = None
        self.read_until = now

    def give_up(self, call_id: str) -> None:
        """PostgreSQL rejects the record of a call: there will be no stored decision to compare with."""
        self.known.unconfirmed.pop(call_id, None)

    def take(self, found: Mapping[CallKey, StoredDecision]) -> None:
        """Cache stored decisions in the place of others on the same call and organization."""
        for (call_id, organization_id), stored in found.items():
            self.known.unconfirmed.pop(call_id, None)
            known = self.known.calls.get(call_id)
            if known is None or known.organization_id != organization_id:
                continue
            if stored.owner is None:
                self.known.update(call_id, known_from_stored(stored))
            else:
                self.known.update(call_id, owner_of(known, stored, stored.owner))


def owner_of(known: KnownCall, stored: StoredDecision, owner: StoredDecision) -> KnownCall:
    """The call of another organization, with what was cached as the call itself as a claim on it."""
    fresh, claim, claims = known_from_stored(owner), known_from_stored(stored), known.claims or {}
    keep_deeds(known, claim)
    if owner.organization_id in claims:
        keep_deeds(claims[owner.organization_id], fresh)
    others = {one: kept for one, kept in claims.items() if one != owner.organization_id}
    if stored.organization_id is not None:
        others[stored.organization_id] = claim
    fresh.claims = others
    return fresh
