"""The queue of durable jobs: pgqueuer's tables in our schema, and our jobs in them.

pgqueuer is imported with its first use: commands enqueue nothing, and it takes a third of their start.
"""

# ruff: noqa: PLC0415

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from service.store.pool import Connection, Pool

if TYPE_CHECKING:
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.qb import (
        QueryBuilderEnvironment,
        QueryQueueBuilder,
        QuerySchedulerBuilder,
    )
    from pgqueuer.adapters.persistence.queries import Queries

CHANNEL = "callgate_queue"
HANGUP = "hangup"

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

    environment: "QueryBuilderEnvironment"
    queue: "QueryQueueBuilder"
    scheduler: "QuerySchedulerBuilder"


@cache
def builders() -> Builders:
    """For the queue's schema and channel; never read from the operator's environment. Built once:
    settings read the environment each time, which takes as long as the rest of enqueuing a job."""
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.domain.types import Channel

    settings = DBSettings(db_schema="callgate", channel=Channel(CHANNEL))
    return Builders(
        qb.QueryBuilderEnvironment(settings),
        qb.QueryQueueBuilder(settings),
        qb.QuerySchedulerBuilder(settings),
    )


def queries_on(connection: Any) -> "Queries":
    """pgqueuer's statements on one of our connections, inside its transaction if it has one."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

    return queries_by(AsyncpgDriver(connection))


def queries_by(driver: "AsyncpgDriver") -> "Queries":
    """pgqueuer's statements by a driver."""
    from pgqueuer.adapters.persistence.queries import Queries

    built = builders()
    return Queries(driver, qbe=built.environment, qbq=built.queue, qbs=built.scheduler)


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
