"""What this replica recorded moments ago, in case PostgreSQL loses it again.

A failover to a standby that lags loses the last commits. Calls and ends of the last seconds are looked
for again; what is gone goes to the spool, which records it as it does after an outage.
"""

import time
from dataclasses import dataclass, field, replace

import structlog

from service.background import BackgroundLoop
from service.domain.calls import CallEnd, NewCall
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool
from service.store.calls.watch import WatchedCall
from service.store.pool import UNAVAILABLE

LOOK_SECONDS = 3.0
KEEP_SECONDS = 12.0
"""How far a standby may lag. While PostgreSQL is away nothing is dropped but looked for afterwards."""
MOST = 10_000
MOST_TRIES = 3
"""What PostgreSQL does not keep after this many times was not lost: Vapi's record undid it, say."""

log = structlog.get_logger()


@dataclass(slots=True)
class RecentRecord:
    """A call, or the end of one. `seen_at` (monotonic): since when PostgreSQL has it; None: not seen."""

    call: NewCall | None
    end: CallEnd | None
    seen_at: float | None = None
    tries: int = 0


@dataclass(slots=True)
class RecentRecords:
    """The records of the last seconds, by the call's id at Vapi."""

    calls: CallStore
    spool: Spool
    keep_seconds: float = KEEP_SECONDS
    recent: dict[str, RecentRecord] = field(default_factory=dict)

    def note_call(self, call: NewCall) -> None:
        """A call was recorded, or spooled."""
        bare = call if call.transcript is None else replace(call, transcript=None)
        self.note(call.vapi_call_id, RecentRecord(bare, None))

    def note_end(self, end: CallEnd) -> None:
        """An end was recorded, or spooled."""
        earlier = self.recent.get(end.vapi_call_id)
        # Not what was said: thousands of ends are kept in memory.
        bare = replace(end, transcript=None)
        self.note(end.vapi_call_id, RecentRecord(earlier.call if earlier else None, bare))

    def note(self, call_id: str, record: RecentRecord) -> None:
        self.recent.pop(call_id, None)
        self.recent[call_id] = record
        while len(self.recent) > MOST:
            del self.recent[next(iter(self.recent))]

    def background(self) -> BackgroundLoop:
        """Looks for the recent records every few seconds."""
        return BackgroundLoop(
            "recent_records", self.look, interval=LOOK_SECONDS, outages=UNAVAILABLE
        )

    async def look(self) -> None:
        """Look for all of them once; raises one of `UNAVAILABLE` while PostgreSQL is away."""
        looked = dict(self.recent)
        if not looked or self.spool.waiting:
            return  # what waits in the spool is not lost
        stored = await self.calls.find_watched(list(looked))
        for call_id, record in looked.items():
            now = time.monotonic()
            lost = lost_entries(record, stored.get(call_id))
            settled = record.seen_at is not None and now - record.seen_at > self.keep_seconds
            if lost and record.tries < MOST_TRIES:
                log.warning("call.record_lost", call_id=call_id)
                record.seen_at, record.tries = None, record.tries + 1
                for entry in lost:
                    await self.spool.keep(entry)
            elif (lost or settled) and self.recent.get(call_id) is record:
                del self.recent[call_id]
            elif record.seen_at is None:
                record.seen_at = now


def lost_entries(record: RecentRecord, stored: WatchedCall | None) -> list[Entry]:
    """What PostgreSQL no longer has of a record, for the spool.

    The end of a call that is being hung up is a claim, which Vapi's own record settles.
    """
    lost = []
    if stored is None and record.call is not None:
        lost.append(Entry(call=replace(record.call, acted=True, refusal=None)))
    if record.end is not None and (stored is None or not (stored.ended_at or stored.hung_up)):
        lost.append(Entry(end=record.end))
    return lost
