"""The loop that brings numbers to their next look: woken by NOTIFY, by time, and now and then anyway.

A wake-up only brings the look nearer; what is to be done is read afresh from PostgreSQL, so a missed
notification costs time and nothing else. The sweep over all numbers has its time here too.
"""

import asyncio
import contextlib
import random
from uuid import UUID

import structlog

from service.domain.errors import CallgateError
from service.domain.sweeps import SweepRequest
from service.reconcile.build import Reconciling
from service.store.pool import UNAVAILABLE, Connection, Pool, connect
from service.store.reconcile import state, states

POLL_SECONDS = 10.0
SHORTEST_SECONDS = 0.05
RESTART_SECONDS = 1.0
AT_ONCE = 8
SPREAD = 0.1
"""Sweeps come so much earlier or later than the interval, so that nothing falls into step."""

log = structlog.get_logger()


class ReconcileLoop:
    """Works off due numbers until `stop`; replicas share them, and the sweeps, by claims.

    `interval` is in seconds; 0: no sweeps by the clock.
    """

    def __init__(
        self,
        dsn: str,
        pool: Pool,
        parts: Reconciling,
        interval: float,
    ) -> None:
        self.dsn = dsn
        self.pool = pool
        self.parts = parts
        self.interval = interval
        self.woken = asyncio.Event()
        self.stopping = asyncio.Event()
        self.lost = False
        self.sweeping: asyncio.Task[None] | None = None

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
        if self.sweeping is not None:
            self.sweeping.cancel()
            await asyncio.gather(self.sweeping, return_exceptions=True)

    async def session(self) -> None:
        """Listen on one connection and work until it is lost."""
        connection: Connection = await connect(self.dsn)
        try:
            self.lost = False
            connection.add_termination_listener(self.on_termination)
            await connection.add_listener(states.CHANNEL, self.on_notification)
            while not self.stopping.is_set() and not self.lost:
                self.woken.clear()
                pause = await self.look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(POLL_SECONDS, max(SHORTEST_SECONDS, pause))):
                        await self.woken.wait()
        finally:
            connection.terminate()

    async def look(self) -> float:
        """Do what is due; seconds until something is due again."""
        if (closed := await self.parts.key.seconds_closed()) > 0:
            # Vapi refuses our key: asking for every number in turn would help nobody.
            return closed
        await self.begin_sweep()
        await self.work_off()
        seconds = await states.seconds_to_next(self.pool)
        pause = POLL_SECONDS if seconds is None else seconds
        if self.interval and self.sweeping is None:
            pause = min(pause, await state.seconds_to_sweep(self.pool))
        return pause

    async def begin_sweep(self) -> None:
        """Take the sweep if it is due; it runs beside the loop, so that changes need not wait."""
        if self.sweeping is not None and self.sweeping.done():
            self.sweeping = None
        if not self.interval or self.sweeping is not None:
            return
        claim = await state.claim_sweep(self.pool)
        if claim is not None:
            self.sweeping = asyncio.create_task(self.sweep(claim))

    async def sweep(self, claim: int) -> None:
        """One sweep under a claim, which is given back whatever comes of it."""

        async def alive() -> bool:
            return await state.hold_on(self.pool, claim)

        try:
            await self.parts.sweeper.sweep(SweepRequest(alive=alive))
        except CallgateError:
            pass  # said in the log, and kept with the sweep
        except UNAVAILABLE as exc:
            log.warning("sweep.lost", error=type(exc).__name__)
        except Exception:
            log.exception("sweep.failed")
        finally:
            spread = 1 + random.uniform(-SPREAD, SPREAD)  # noqa: S311
            with contextlib.suppress(*UNAVAILABLE):
                await state.end_sweep(self.pool, claim, self.interval * spread)
            self.wake()

    async def work_off(self) -> None:
        """Look at everything that is due, a few numbers at a time."""
        due = await states.find_due(self.pool, AT_ONCE)
        if due:
            await asyncio.gather(*(self.one(phone_number_id) for phone_number_id in due))

    async def one(self, phone_number_id: UUID) -> None:
        """One number's trouble is its own."""
        try:
            await self.parts.reconciler.reconcile_due(phone_number_id)
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
