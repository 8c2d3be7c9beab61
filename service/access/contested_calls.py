"""Brings what other replicas learned of contested calls into this replica's memory.

Another replica may record a claim on a call that is cached here, or settle whose call it is. A cached
call that nothing contests is answered from memory alone, so without this a forged message would be
answered by the former decision until the cache forgets the call. By level: each turn reads what
changed since the last one that succeeded, so an outage of PostgreSQL loses nothing.
"""

from datetime import datetime, timedelta

from service.access.known_calls import KnownCalls, known_from_stored
from service.background import BackgroundLoop
from service.store.calls.call_store import CallStore
from service.store.pool import UNAVAILABLE

OVERLAP = timedelta(seconds=30)
"""A claim has the time at which its transaction began, and is visible only after the commit."""


class ContestedCalls:
    """Reads the claims of all replicas every `interval` seconds."""

    def __init__(self, calls: CallStore, known: KnownCalls, interval: float = 1.0) -> None:
        self.calls = calls
        self.known = known
        self.interval = interval
        self.read_until: datetime | None = None

    def background(self) -> BackgroundLoop:
        return BackgroundLoop(
            "contested_calls", self.turn, interval=self.interval, outages=UNAVAILABLE
        )

    async def turn(self) -> None:
        """Cache afresh the known calls whose claims changed since the last turn."""
        since = self.read_until and self.read_until - OVERLAP
        now, contested = await self.calls.list_contested(since)
        await self.apply([call_id for call_id in contested if call_id in self.known.calls])
        self.read_until = now

    async def apply(self, call_ids: list[str]) -> None:
        """Cache decisions and claims of these calls as they are in PostgreSQL.

        What Vapi has settled and this replica knows as settled is final and not read again.
        """
        open_calls = [one for one in call_ids if not self.known.calls[one].owner_checked]
        if not open_calls:
            return
        owners = await self.calls.find_decisions(open_calls)
        claims = await self.calls.find_claims(owners)
        for call_id, owner in owners.items():
            known = known_from_stored(owner)
            known.claims = {
                claim.organization_id: known_from_stored(claim)
                for claim in claims.values()
                if claim.vapi_call_id == call_id and claim.organization_id is not None
            }
            self.known.update(call_id, known)
