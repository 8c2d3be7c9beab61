"""Runs overdue rounds of hang-ups: what the queue's worker does not get to, for whatever reason.

By level: each turn reads which calls are to be hung up, are not proved to be over, and were not
attempted in time. It uses the pool, so that a blocked call ends also while the worker's own connection
is lost or half-open, while pgqueuer is stuck, or after a job was lost.
"""

import asyncio

import structlog

from service.access.enforcement.hangup_ladder import HangupLadder
from service.background import BackgroundLoop
from service.store.calls.call_store import CallStore
from service.store.pool import UNAVAILABLE

SWEEP_SECONDS = 1.0
"""A replica that dies holds a claim for five seconds, and a round is overdue after one more: a blocked
call ends within ten seconds all the same."""
AT_ONCE = 40

log = structlog.get_logger()


class HangupSweep:
    """Runs in every replica; the claim in a call's row lets only one of them run a round."""

    def __init__(self, calls: CallStore, ladder: HangupLadder) -> None:
        self.calls = calls
        self.ladder = ladder
        self.tasks: set[asyncio.Task[None]] = set()

    def background(self) -> BackgroundLoop:
        """Sweeps every second; rounds go on beside the sweep."""
        return BackgroundLoop(
            "hangup_sweep", self.sweep, interval=SWEEP_SECONDS, outages=UNAVAILABLE
        )

    async def sweep(self) -> None:
        """Claim the overdue rounds and begin them."""
        room = AT_ONCE - len(self.tasks)
        for call_id in await self.calls.claim_overdue_rounds(room) if room > 0 else ():
            log.warning("call.hangup_overdue", call_id=call_id)
            task = asyncio.create_task(self.run_round(call_id))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def run_round(self, call_id: str) -> None:
        """Run one round. The row says when the next is due, for the job or the next sweep."""
        try:
            await self.ladder.climb(call_id, claimed=True)
        except UNAVAILABLE as exc:
            log.warning("call.hangup_round_failed", call_id=call_id, error=type(exc).__name__)
        except Exception:
            log.exception("call.hangup_round_failed", call_id=call_id)

    async def drain(self, seconds: float) -> None:
        """Wait for the rounds that run, at most `seconds`."""
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=seconds)
