"""The loop that brings numbers to their next look: woken by NOTIFY, by time, and now and then anyway.

A wake-up only brings the look nearer; what is to be done is read afresh from PostgreSQL, so a missed
notification costs time and nothing else.
"""

import asyncio
import contextlib
from uuid import UUID

import structlog

from service.reconcile.reconciler import Reconciler
from service.store import webhook_states as states
from service.store.pool import UNAVAILABLE, Connection, Pool, connect

POLL_SECONDS = 10.0
SHORTEST_SECONDS = 0.05
RESTART_SECONDS = 1.0
AT_ONCE = 8

log = structlog.get_logger()


class ReconcileLoop:
    """Works off due numbers until `stop`; replicas share them by claims."""

    def __init__(self, dsn: str, pool: Pool, reconciler: Reconciler) -> None:
        self.dsn = dsn
        self.pool = pool
        self.reconciler = reconciler
        self.woken = asyncio.Event()
        self.stopping = asyncio.Event()
        self.lost = False

    def wake(self) -> None:
        """Bring the next look nearer."""
        self.woken.set()

    async def run(self) -> None:
        """Session after session: each on a new connection, each beginning with a look."""
        while not self.stopping.is_set():
            try:
                await self.session()
            except UNAVAILABLE as exc:
                log.warning("reconcile_loop.lost", error=type(exc).__name__)
            except Exception:
                log.exception("reconcile_loop.failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESTART_SECONDS):
                    await self.stopping.wait()

    async def session(self) -> None:
        """Listen on one connection and work until it is lost."""
        connection: Connection = await connect(self.dsn)
        try:
            self.lost = False
            connection.add_termination_listener(self.on_termination)
            await connection.add_listener(states.CHANNEL, self.on_notification)
            while not self.stopping.is_set() and not self.lost:
                self.woken.clear()
                await self.work_off()
                seconds = await states.seconds_to_next(self.pool)
                pause = min(POLL_SECONDS, max(SHORTEST_SECONDS, seconds or POLL_SECONDS))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self.woken.wait()
        finally:
            connection.terminate()

    async def work_off(self) -> None:
        """Look at everything that is due, a few numbers at a time."""
        due = await states.find_due(self.pool, AT_ONCE)
        if due:
            await asyncio.gather(*(self.one(phone_number_id) for phone_number_id in due))

    async def one(self, phone_number_id: UUID) -> None:
        """One number's trouble is its own."""
        try:
            await self.reconciler.reconcile_due(phone_number_id)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("webhook.reconcile_failed", phone_number_id=phone_number_id)
            await asyncio.sleep(RESTART_SECONDS)

    async def stop(self) -> None:
        """Begin nothing new; what is under way ends with its claim given back."""
        self.stopping.set()
        self.woken.set()

    def on_notification(self, *_: object) -> None:
        self.woken.set()

    def on_termination(self, _connection: object) -> None:
        self.lost = True
        self.woken.set()
