"""The loop that brings numbers to their next pass: woken by NOTIFY and by time.

A wake-up only brings the next pass nearer: due numbers are read from PostgreSQL, so a missed
notification costs nothing but time.
"""

import asyncio
from uuid import UUID

import structlog

from service.background import BackgroundLoop, wait_for
from service.reconcile.key_guard import KeyGuard
from service.reconcile.reconciler import Reconciler
from service.reconcile.sweep_loop import SweepLoop
from service.store.pool import UNAVAILABLE, Connection, Pool, connect
from service.store.reconcile import states

POLL_SECONDS = 10.0
SHORTEST_SECONDS = 0.05
FAULT_SECONDS = 1.0
HEALTHY_SECONDS = 5.0
AT_ONCE = 8

log = structlog.get_logger()


class ReconcileLostError(ConnectionError):
    """The listening connection ended."""


class ReconcileLoop:
    """Works off due numbers; replicas share them by claims."""

    def __init__(
        self, dsn: str, pool: Pool, reconciler: Reconciler, key: KeyGuard, sweeps: SweepLoop
    ) -> None:
        self.dsn = dsn
        self.pool = pool
        self.reconciler = reconciler
        self.key = key
        self.sweeps = sweeps
        self.woken = asyncio.Event()
        self.stopping = asyncio.Event()
        self.lost = False

    def background(self) -> BackgroundLoop:
        """The loop of sessions; each begins with a check for due numbers."""
        return BackgroundLoop(
            "reconcile",
            self.session,
            outages=UNAVAILABLE,
            healthy_after=HEALTHY_SECONDS,
            finish=self.finish,
        )

    def wake(self) -> None:
        """Check for due numbers and a due sweep now."""
        self.woken.set()
        self.sweeps.woken.set()

    async def session(self) -> None:
        """Listen on one connection and work. Raises `ReconcileLostError` when it is lost."""
        connection = await self.connect()
        try:
            self.lost = False
            connection.add_termination_listener(self.on_termination)
            await connection.add_listener(states.CHANNEL, self.on_notification)
            while not self.stopping.is_set():
                self.woken.clear()
                if self.lost:
                    raise ReconcileLostError
                pause = await self.turn()
                await wait_for(self.woken, min(POLL_SECONDS, max(SHORTEST_SECONDS, pause)))
        finally:
            connection.terminate()

    async def connect(self) -> Connection:
        """Open the connection of a session."""
        return await connect(self.dsn)

    async def turn(self) -> float:
        """Reconcile due numbers; returns the seconds until the next one is due."""
        if (closed := await self.key.seconds_closed()) > 0:
            # Vapi refuses our key: a request for every number in turn would not help.
            return closed
        await self.work_off()
        seconds = await states.seconds_to_next(self.pool)
        return POLL_SECONDS if seconds is None else seconds

    async def work_off(self) -> None:
        """Reconcile due numbers, a few at a time."""
        due = await states.find_due(self.pool, AT_ONCE)
        if due:
            await asyncio.gather(*(self.one(phone_number_id) for phone_number_id in due))

    async def one(self, phone_number_id: UUID) -> None:
        """Reconcile one number; its fault does not hold up the others."""
        try:
            await self.reconciler.reconcile_due(phone_number_id)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("webhook.reconcile_failed", phone_number_id=phone_number_id)
            await wait_for(self.stopping, FAULT_SECONDS)

    def finish(self) -> None:
        """Begin no further passes; those under way end with their claims given back."""
        self.stopping.set()
        self.woken.set()

    def on_notification(self, *_: object) -> None:
        self.wake()

    def on_termination(self, _connection: object) -> None:
        self.lost = True
        self.woken.set()
