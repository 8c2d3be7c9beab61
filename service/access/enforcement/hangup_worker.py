"""The worker that runs hang-up jobs: pgqueuer on a connection of its own, watched and restarted.

pgqueuer keeps polling silently after it loses its connection, so a termination listener and its own
health check end a session at once, and the next one begins on a new connection. A poll is a heartbeat
too: one that is not answered in time ends the connection. What is late meanwhile, `hangup_sweep` runs.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from service.access.enforcement.call_owners import CallOwners
from service.access.enforcement.hangup_ladder import HangupLadder
from service.access.enforcement.late_driver import LateDriver
from service.background import BackgroundLoop
from service.domain.calls import CallEnd
from service.store import queue
from service.store.calls import control_urls
from service.store.calls.call_store import CallStore
from service.store.calls.hangups import HangupTarget, RoundResult
from service.store.pool import UNAVAILABLE, Pool, open_connection, prepare
from service.vapi.calls.view import CallView

HEARTBEAT_SECONDS = 6.0
"""After this long without a heartbeat another worker takes a job over."""
POLL_SECONDS = 0.5
"""pgqueuer's trigger announces new jobs only; a retried one is found by polling."""
ANSWER_SECONDS = 1.5
"""How long PostgreSQL may take to answer a poll: a dead connection is noticed within two seconds."""
NAME = "callgate-hangups"
"""What `pg_stat_activity` calls the worker's connection."""
SHORTEST_WAIT = timedelta(milliseconds=5)
BATCH = 10
AT_ONCE = 40
CONNECT_SECONDS = 3.0
HEALTHY_SECONDS = 5.0
CLEAN_SECONDS = 3600.0


class WorkerLostError(ConnectionError):
    """The worker's connection ended, or pgqueuer stopped listening."""


class StoredHangups:
    """The state of hang-ups in PostgreSQL, and whose calls they are."""

    def __init__(self, calls: CallStore, owners: CallOwners) -> None:
        self.calls = calls
        self.owners = owners

    async def find(self, vapi_call_id: str) -> HangupTarget | None:
        return await self.calls.find_hangup_target(vapi_call_id)

    async def claim(self, vapi_call_id: str) -> bool:
        return await self.calls.claim_round(vapi_call_id)

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool:
        return await self.calls.record_hangup(vapi_call_id, result)

    async def record_end(self, end: CallEnd) -> None:
        await self.calls.record_end(end)

    async def settle(self, vapi_call_id: str, view: CallView) -> None:
        await self.owners.settle(vapi_call_id, view)

    def owns(self, organization_id: UUID | None, view: CallView) -> bool:
        return self.owners.owns(organization_id, view)

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> bool:
        await self.calls.record_goodbye(vapi_call_id, seconds)
        return True


class HangupWorker:
    """Runs hang-up jobs until it is asked to finish; workers of all replicas share them."""

    def __init__(self, dsn: str, pool: Pool, ladder: HangupLadder) -> None:
        self.dsn = dsn
        self.pool = pool
        self.ladder = ladder
        self.stopping = asyncio.Event()
        self.manager: QueueManager | None = None
        self.alive_at = float("-inf")

    @property
    def alive(self) -> bool:
        """Whether a session runs on a live connection."""
        return self.manager is not None and not self.manager.shutdown.is_set()

    def background(self) -> list[BackgroundLoop]:
        """The sessions, and the erasing of control URLs that no end erased."""
        return [
            BackgroundLoop(
                "hangup_worker",
                self.session,
                outages=(*UNAVAILABLE, FailingListenerError),
                healthy_after=HEALTHY_SECONDS,
                finish=self.finish,
            ),
            BackgroundLoop(
                "control_urls", self.erase_urls, interval=CLEAN_SECONDS, outages=UNAVAILABLE
            ),
        ]

    async def session(self) -> None:
        """One run on one connection. Its end, for any reason, lets the running jobs finish; jobs
        that a crash leaves behind are taken over once their heartbeat is old.

        Raises `WorkerLostError` when the run ends unasked.
        """
        connection = await open_connection(
            self.dsn, NAME, CONNECT_SECONDS, command_seconds=ANSWER_SECONDS
        )
        try:
            await prepare(connection)
            manager = QueueManager(
                queue.queries_by(LateDriver(connection)), channel=Channel(queue.CHANNEL)
            )
            manager.min_dequeue_poll_interval = SHORTEST_WAIT
            manager.entrypoint(queue.HANGUP, accepts_context=False)(self.job)
            connection.add_termination_listener(lambda _connection: manager.shutdown.set())
            self.manager = manager
            if self.stopping.is_set():
                return
            await manager.run(
                dequeue_timeout=timedelta(seconds=POLL_SECONDS),
                batch_size=BATCH,
                max_concurrent_tasks=AT_ONCE,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
                log_aggregation_interval=timedelta(0),
            )
        finally:
            self.manager = None
            connection.terminate()
        if not self.stopping.is_set():
            raise WorkerLostError

    async def job(self, job: Job) -> None:
        """Run one round for one call; one that is not over comes back later as the same job."""
        payload: Any = orjson.loads(job.payload or b"{}")
        call_id = str(payload["vapi_call_id"])
        try:
            outcome = await self.ladder.climb(call_id, asked_before=job.attempts)
        except UNAVAILABLE as exc:
            raise RetryRequested(timedelta(seconds=2), "PostgreSQL is unavailable") from exc
        self.alive_at = time.monotonic()
        if outcome.retry_after is not None:
            raise RetryRequested(timedelta(seconds=outcome.retry_after), outcome.state.value)

    def finish(self) -> None:
        """Take no more jobs and let the running ones finish their round."""
        self.stopping.set()
        if self.manager is not None:
            self.manager.shutdown.set()

    async def erase_urls(self) -> None:
        """Erase control URLs of calls whose end was never reported."""
        await control_urls.erase_old(self.pool)
