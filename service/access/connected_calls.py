"""Calls whose two sides were connected after their first message, on their way to the calls' rows.

Written in batches beside the replies, once a call. What is lost here comes with the call's end.
"""

from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import structlog

from service.background import BackgroundLoop
from service.store.bounded import at_most
from service.store.calls.call_store import CallStore
from service.store.calls.details import ConnectedCall
from service.store.calls.spool import Spool
from service.store.pool import UNAVAILABLE

PAUSE_SECONDS = 1.0
WRITE_SECONDS = 3.0
BATCH = 200
MOST = 10_000

log = structlog.get_logger()


@dataclass(slots=True)
class ConnectedCalls:
    """What is to be written, by the call's id at Vapi."""

    calls: CallStore
    spool: Spool
    waiting: dict[str, ConnectedCall] = field(default_factory=dict)

    def note(self, call_id: str, organization_id: UUID | None, assistant_id: str | None) -> None:
        """A message shows that a call is connected. Never waits, never fails."""
        if len(self.waiting) < MOST:
            self.waiting[call_id] = ConnectedCall(call_id, organization_id, assistant_id)

    def background(self) -> BackgroundLoop:
        """Writes them every second."""
        return BackgroundLoop(
            "connected_calls", self.write, interval=PAUSE_SECONDS, outages=UNAVAILABLE
        )

    async def write(self) -> None:
        """Write all that wait, unless calls are in the spool: it may hold their rows. Raises one of
        `UNAVAILABLE` while PostgreSQL is away."""
        while self.waiting and not self.spool.waiting:
            batch = list(islice(self.waiting.values(), BATCH))
            try:
                async with at_most(WRITE_SECONDS):
                    await self.calls.record_connected(batch)
            except UNAVAILABLE:
                raise
            except Exception:
                # A bug of ours must not block the calls after it.
                log.exception("connected_calls.refused")
            for one in batch:
                self.waiting.pop(one.vapi_call_id, None)
