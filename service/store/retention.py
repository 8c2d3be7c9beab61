"""Retention: rows past their age are deleted in small bites, by one replica at a time.

A bite is one short transaction; the pause after it is as long as the bite took, so that calls are
recorded meanwhile. Calls go by whole months (`calls.months`), and by bites where a month's partition
cannot be dropped, such as the one of calls from before there were months.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from service.background import BackgroundLoop
from service.store.calls import months
from service.store.idempotency_keys import KEPT
from service.store.leases import LEASE_SECONDS, holding
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import bounds

BITE = 500
SHORTEST_PAUSE_SECONDS = 0.05
EVERY_SECONDS = 3600.0
POLL_SECONDS = 10.0
JOBS_KEPT = timedelta(days=1)
AT_THEIR_END = timedelta(seconds=1)

# No call lasts for a day. A row without an end that was touched lately may still get one, and a
# hang-up that waits needs its row.
DELETE_CALLS = """
WITH old AS MATERIALIZED (
    SELECT c.id, c.month, c.vapi_call_id FROM callgate.calls c
    WHERE c.created_at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND (c.ended_at IS NOT NULL OR c.updated_at < now() - interval '3 days')
        AND NOT EXISTS (SELECT FROM callgate.pgqueuer q
            WHERE q.dedupe_key = 'hangup:' || c.vapi_call_id AND q.status IN ('queued', 'picked'))
    ORDER BY c.created_at, c.id LIMIT $2 FOR UPDATE OF c SKIP LOCKED),
claims AS (
    DELETE FROM callgate.call_claims k USING old WHERE k.vapi_call_id = old.vapi_call_id),
transcripts AS (
    DELETE FROM callgate.call_transcripts t USING old WHERE t.vapi_call_id = old.vapi_call_id),
steps AS (
    DELETE FROM callgate.call_events e USING old WHERE e.vapi_call_id = old.vapi_call_id)
DELETE FROM callgate.calls c USING old WHERE c.id = old.id AND c.month = old.month
"""

# A claim whose call was never recorded, or is gone.
DELETE_CLAIMS = """
WITH old AS (
    SELECT k.vapi_call_id, k.organization_id FROM callgate.call_claims k
    WHERE k.created_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = k.vapi_call_id)
    ORDER BY k.created_at LIMIT $2)
DELETE FROM callgate.call_claims k USING old
WHERE k.vapi_call_id = old.vapi_call_id AND k.organization_id = old.organization_id
"""

# What a dropped month leaves behind.
DELETE_STEPS_OF_CALLS = """
DELETE FROM callgate.call_events WHERE id IN (
    SELECT e.id FROM callgate.call_events e
    WHERE e.at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = e.vapi_call_id)
    ORDER BY e.id LIMIT $2)
"""
DELETE_TRANSCRIPTS_OF_CALLS = """
DELETE FROM callgate.call_transcripts WHERE vapi_call_id IN (
    SELECT t.vapi_call_id FROM callgate.call_transcripts t
    WHERE t.created_at < date_trunc('month', now() - make_interval(secs => $1), 'UTC')
        AND NOT EXISTS (SELECT FROM callgate.calls c WHERE c.vapi_call_id = t.vapi_call_id)
    LIMIT $2)
"""

# Ids are in the order of time, so no index on instants is needed, which would slow the writing.
DELETE_STEPS = """
DELETE FROM callgate.call_events WHERE at < now() - make_interval(secs => $1) AND id IN (
    SELECT id FROM callgate.call_events ORDER BY id LIMIT $2)
"""

# Each has its own end, by its organization's wish; $1 is no part of it.
DELETE_TRANSCRIPTS = """
DELETE FROM callgate.call_transcripts WHERE $1::float8 IS NOT NULL AND vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_transcripts WHERE expires_at <= now()
    ORDER BY expires_at LIMIT $2)
"""

DELETE_JOBS = """
DELETE FROM callgate.pgqueuer_log WHERE id IN (
    SELECT id FROM callgate.pgqueuer_log WHERE created < now() - make_interval(secs => $1)
    ORDER BY created LIMIT $2)
"""

# What held at the beginning of the kept time stays known.
DELETE_ENTITLEMENTS = """
WITH old AS (
    SELECT e.id FROM callgate.entitlement_history e
    WHERE e.at < now() - make_interval(secs => $1)
        AND EXISTS (SELECT FROM callgate.entitlement_history later
            WHERE later.organization_id = e.organization_id AND later.kind = e.kind
                AND (later.at, later.id) > (e.at, e.id)
                AND later.at < now() - make_interval(secs => $1))
    ORDER BY e.id LIMIT $2)
DELETE FROM callgate.entitlement_history e USING old WHERE e.id = old.id
"""

DELETE_CHANGES = """
DELETE FROM callgate.webhook_changes WHERE at < now() - make_interval(secs => $1) AND id IN (
    SELECT id FROM callgate.webhook_changes ORDER BY id LIMIT $2)
"""

DELETE_SHADOW_VERDICTS = """
DELETE FROM callgate.shadow_verdicts s USING (
    SELECT policy, vapi_call_id, organization_id FROM callgate.shadow_verdicts
    WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2) old
WHERE s.policy = old.policy AND s.vapi_call_id = old.vapi_call_id
    AND s.organization_id = old.organization_id
"""

DELETE_KEYS = """
DELETE FROM callgate.idempotency_keys k USING (
    SELECT owner, key FROM callgate.idempotency_keys
    WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2) old
WHERE k.owner = old.owner AND k.key = old.key
"""

CLAIM = """
UPDATE callgate.retention SET claim = claim + 1, claimed_until = now() + make_interval(secs => $1)
WHERE next_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
RETURNING claim
"""

RENEW = """
UPDATE callgate.retention SET claimed_until = now() + make_interval(secs => $2)
WHERE claim = $1 AND claimed_until IS NOT NULL RETURNING true
"""

# Work that was interrupted is due at once.
RELEASE = """
UPDATE callgate.retention SET claimed_until = NULL,
    next_at = CASE WHEN $2::float8 IS NULL THEN next_at ELSE now() + make_interval(secs => $2) END
WHERE claim = $1
"""

SECONDS = """
SELECT extract(epoch FROM greatest(next_at, coalesce(claimed_until, next_at)) - now())
FROM callgate.retention
"""

# A rebuild of usage must not take deleted calls for calls that never were.
MARK_CALLS = """
UPDATE callgate.retention SET calls_deleted_before =
    greatest(calls_deleted_before, date_trunc('month', now() - make_interval(secs => $1), 'UTC'))
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows of one kind and how long they are kept; `delete` takes seconds and the size of a bite.

    `mark` notes beforehand how far rows are deleted; it takes the seconds alone. With `by_month` the
    partitions of months that are past their age are dropped first.
    """

    kind: str
    delete: str
    keep: timedelta
    mark: str = ""
    by_month: bool = False


def kept_rows(calls: timedelta, steps: timedelta, history: timedelta) -> list[KeptRows]:
    """What is deleted by age; a duration of zero keeps its rows permanently."""
    rows = [
        KeptRows("calls", DELETE_CALLS, calls, MARK_CALLS, by_month=True),
        KeptRows("call_claims", DELETE_CLAIMS, calls),
        KeptRows("call_steps", DELETE_STEPS_OF_CALLS, calls),
        KeptRows("transcripts", DELETE_TRANSCRIPTS_OF_CALLS, calls),
        KeptRows("call_keys", months.DELETE_KEYS, months.KEYS_KEPT),
        KeptRows("transcripts", DELETE_TRANSCRIPTS, AT_THEIR_END),
        KeptRows("call_steps", DELETE_STEPS, steps),
        KeptRows("shadow_verdicts", DELETE_SHADOW_VERDICTS, steps),
        KeptRows("finished_jobs", DELETE_JOBS, JOBS_KEPT),
        KeptRows("entitlement_history", DELETE_ENTITLEMENTS, history),
        KeptRows("webhook_changes", DELETE_CHANGES, history),
        KeptRows("idempotency_keys", DELETE_KEYS, KEPT),
        KeptRows("relay_messages", bounds.DELETE, bounds.KEPT),
    ]
    return [one for one in rows if one.keep]


class Retention:
    """Deletes rows past their age once an hour; replicas take turns. `on_deleted` takes the kind and
    the number of rows that were deleted."""

    def __init__(
        self,
        pool: Pool,
        kept: Sequence[KeptRows],
        *,
        bite: int = BITE,
        on_deleted: Callable[[str, int], Awaitable[None]] | None = None,
    ) -> None:
        self.pool = pool
        self.on_deleted = on_deleted or ignore_deleted

        self.kept = kept
        self.bite = bite

    def background(self) -> BackgroundLoop:
        """Deletes whenever it is due."""
        return BackgroundLoop("retention", self.turn, outages=UNAVAILABLE)

    async def turn(self) -> float:
        """Delete if it is due; returns the seconds until it may be due again."""
        await self.delete_if_due()
        return min(max(float(await self.pool.fetchval(SECONDS)), 0.1), POLL_SECONDS)

    async def delete_if_due(self) -> bool:
        """Delete everything that is due, under a claim; False if there is none for this replica."""
        began = asyncio.get_running_loop().time()
        claim = await self.pool.fetchval(CLAIM, LEASE_SECONDS)
        if claim is None:
            return False

        async def renew() -> bool:
            return bool(await self.pool.fetchval(RENEW, claim, LEASE_SECONDS))

        next_in = None
        try:
            async with holding(renew, began):
                await months.add_months(self.pool)
                for rows in self.kept:
                    await self.delete_rows(rows)
            next_in = EVERY_SECONDS
        finally:
            await self.pool.execute(RELEASE, claim, next_in)
        return True

    async def delete_rows(self, rows: KeptRows) -> None:
        """Delete the old rows of one kind: whole months, then bite by bite."""
        loop, deleted = asyncio.get_running_loop(), 0
        if rows.mark:
            await self.pool.execute(rows.mark, rows.keep.total_seconds())
        if rows.by_month:
            deleted += await months.drop_months(self.pool, rows.keep)
        while True:
            began = loop.time()
            status = await self.pool.execute(rows.delete, rows.keep.total_seconds(), self.bite)
            count = int(status.rpartition(" ")[2])
            deleted += count
            if count < self.bite:
                break
            await asyncio.sleep(max(SHORTEST_PAUSE_SECONDS, loop.time() - began))
        if deleted:
            log.info("retention.deleted", kind=rows.kind, rows=deleted)
            await self.on_deleted(rows.kind, deleted)


async def ignore_deleted(_kind: str, _count: int) -> None:
    """For who needs no notice."""
