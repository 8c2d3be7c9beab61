"""The queue of durable jobs: pgqueuer's tables in our schema, and our jobs in them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

import orjson
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import NotifyCallback

from service.store.pool import Connection, Pool

CHANNEL = "callgate_queue"
HANGUP = "hangup"
HEAR_SECONDS = 0.02
"""How much later the workers hear of new jobs, see `LateDriver`."""

# What `enqueue_hangups` does, as part of a statement whose `ordered` has `vapi_call_id` and
# `after_seconds`: a record and its job then take one round trip. A test compares the two.
ENQUEUE_ORDERED = """
, enqueued AS (
    INSERT INTO callgate.pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
    SELECT 0, 'hangup',
        convert_to(jsonb_build_object('vapi_call_id', vapi_call_id)::text, 'UTF8'),
        now() + make_interval(secs => after_seconds), 'hangup:' || vapi_call_id, 'queued'
    FROM ordered
    ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
        DO NOTHING
    RETURNING id, entrypoint, priority),
logged AS (
    INSERT INTO callgate.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM enqueued)
"""

# A waiting job is wanted now: it is brought forward instead of adding a second one.
BRING_FORWARD = """
UPDATE callgate.pgqueuer SET execute_after = now()
WHERE entrypoint = 'hangup' AND status = 'queued' AND execute_after > now()
    AND dedupe_key = ANY($1::text[])
"""

# pgqueuer's trigger does not announce updates, so we send the workers its notification.
WAKE = """
SELECT pg_notify('callgate_queue', json_build_object('channel', 'callgate_queue',
    'operation', 'update', 'sent_at', now(), 'table', 'pgqueuer',
    'type', 'table_changed_event')::text)
"""

DEPTH = "SELECT count(*) FROM callgate.pgqueuer WHERE entrypoint = 'hangup'"


@dataclass(frozen=True, slots=True)
class HangupJob:
    """A call to be hung up, not before `after_seconds` from now.

    The worker reads everything else from the call's row: a control URL does not belong in a queue.
    """

    vapi_call_id: str
    after_seconds: float = 0.0

    @property
    def key(self) -> str:
        return f"hangup:{self.vapi_call_id}"


class Builders(NamedTuple):
    """What writes pgqueuer's statements."""

    environment: QueryBuilderEnvironment
    queue: QueryQueueBuilder
    scheduler: QuerySchedulerBuilder


class LateDriver(AsyncpgDriver):
    """Hears of changes of the queue a moment later. The record of a blocked call announces a job that
    is not due yet: looking for it at once would delay the first command, which goes out just then."""

    def __init__(self, connection: Any, seconds: float = HEAR_SECONDS) -> None:
        super().__init__(connection)
        self.seconds = seconds

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Have each notification passed on after so many seconds."""
        loop = asyncio.get_running_loop()

        def hear(payload: str | bytes | bytearray) -> None:
            loop.call_later(self.seconds, callback, payload)

        await super().add_listener(channel, hear)


@cache
def builders() -> Builders:
    """For the queue's schema and channel; never read from the operator's environment. Built once:
    settings read the environment each time, which takes as long as the rest of enqueuing a job."""
    settings = DBSettings(db_schema="callgate", channel=Channel(CHANNEL))
    return Builders(
        QueryBuilderEnvironment(settings),
        QueryQueueBuilder(settings),
        QuerySchedulerBuilder(settings),
    )


def queries_on(connection: Any) -> Queries:
    """pgqueuer's statements on one of our connections, inside its transaction if it has one."""
    built = builders()
    return Queries(
        LateDriver(connection), qbe=built.environment, qbq=built.queue, qbs=built.scheduler
    )


async def enqueue_hangups(connection: Connection, jobs: Sequence[HangupJob]) -> None:
    """Enqueue hang-ups in the caller's transaction; a call has at most one job at a time."""
    if not jobs:
        return
    await queries_on(connection).enqueue(
        [HANGUP] * len(jobs),
        [orjson.dumps({"vapi_call_id": job.vapi_call_id}) for job in jobs],
        [0] * len(jobs),
        execute_after=[timedelta(seconds=job.after_seconds) for job in jobs],
        dedupe_key=[job.key for job in jobs],
        on_conflict="skip",
    )
    now = [job.key for job in jobs if job.after_seconds == 0]
    if now:
        status = await connection.execute(BRING_FORWARD, now)
        if status != "UPDATE 0":
            await connection.execute(WAKE)


async def count_hangup_jobs(pool: Pool) -> int:
    """How many hang-ups wait or run."""
    found = await pool.fetchval(DEPTH)
    return int(found)
