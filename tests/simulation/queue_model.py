"""The queue of hang-up jobs as a worker sees it: picked with a heartbeat, retried, taken over."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import orjson
from pgqueuer.domain.errors import RetryRequested

from service.access.enforcement.hangup_worker import ANSWER_SECONDS, HEARTBEAT_SECONDS, HangupWorker
from tests.simulation.links import Link
from tests.simulation.tables import JobRow, Tables

CONNECTION = 0
POLL_SECONDS = 1.0
BEAT_SECONDS = 2.0


@dataclass(eq=False)
class ModelQueue:
    """Runs the jobs of one worker: the real `HangupWorker.job` for each."""

    tables: Tables
    link: Link
    worker: HangupWorker
    name: str

    def __post_init__(self) -> None:
        self.woken = asyncio.Event()
        self.running: dict[str, asyncio.Task[None]] = {}
        self.lost = False

    async def session(self) -> None:
        """Take jobs until the connection is lost."""
        await self.ask(lambda: None)
        self.lost = False
        generation = self.link.generation

        def hear(channel: str) -> None:
            if channel == "queue":
                self.link.notify(generation, self.woken.set)

        self.tables.listeners.append(hear)
        self.link.on_cut.append(self.lose)
        try:
            while not self.lost:
                for job in await self.ask(self.pick):
                    self.running[job.vapi_call_id] = asyncio.create_task(self.work(job))
                await self.wait()
            raise ConnectionError
        finally:
            self.tables.listeners.remove(hear)
            self.link.on_cut.remove(self.lose)

    async def ask(self, operation: Callable[[], Any]) -> Any:
        """One statement on the worker's only connection."""
        return await self.link.run(operation, ANSWER_SECONDS, CONNECTION)

    def lose(self) -> None:
        self.lost = True
        self.woken.set()

    async def wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self.woken.wait()
        except TimeoutError:
            pass
        self.woken.clear()

    def pick(self) -> list[JobRow]:
        """At the server: take what is due and what a dead worker left; prolong what is our own."""
        tables, now = self.tables, self.tables.now()
        old = now - timedelta(seconds=HEARTBEAT_SECONDS)
        found = []
        for call_id, job in list(tables.jobs.items()):
            due = job.picked_by is None and job.execute_after <= now
            left = job.picked_by is not None and job.heartbeat is not None and job.heartbeat < old
            fresh = replace(job, picked_by=self.name, heartbeat=now)
            if (due or left) and call_id not in self.running:
                found.append(fresh)
            elif call_id not in self.running or job.picked_by != self.name:
                continue
            tables.put(tables.jobs, call_id, fresh)
        return found

    async def work(self, job: JobRow) -> None:
        """Run a job, and delete or postpone it."""
        call_id = job.vapi_call_id
        payload = orjson.dumps({"vapi_call_id": call_id})
        delay: float | None = None
        try:
            await self.worker.job(SimpleNamespace(payload=payload, attempts=job.attempts))  # type: ignore[arg-type]
        except RetryRequested as retry:
            delay = retry.delay.total_seconds()
        try:
            await self.ask(lambda: self.finish(job, delay))
        except Exception:
            self.lose()
        finally:
            self.running.pop(call_id, None)

    def finish(self, job: JobRow, delay: float | None) -> None:
        """At the server: the job is done, or comes back after `delay` seconds."""
        tables = self.tables
        current: Any = tables.jobs.get(job.vapi_call_id)
        if current is None or current.picked_by != self.name or current.number != job.number:
            return
        if delay is None:
            tables.put(tables.jobs, job.vapi_call_id, None)
            return
        due = tables.now() + timedelta(seconds=delay)
        again = replace(current, picked_by=None, execute_after=due, attempts=current.attempts + 1)
        tables.put(tables.jobs, job.vapi_call_id, again)
