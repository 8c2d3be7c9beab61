"""Retention: rows past their age are deleted in small bites, by one replica at a time.

A bite is one short transaction; the pause after it is as long as the bite took, so that calls are
recorded meanwhile. Calls go by whole months (`months`), and by bites where a month's partition
cannot be dropped, such as the one of calls from before there were months.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from service.background import BackgroundLoop
from service.store.leases import LEASE_SECONDS, holding
from service.store.pool import UNAVAILABLE, Pool
from service.store.retention import months
from service.store.retention.kept_rows import KeptRows

BITE = 500
SHORTEST_PAUSE_SECONDS = 0.05
EVERY_SECONDS = 3600.0
POLL_SECONDS = 10.0

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

log = structlog.get_logger()


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
                await self.delete_kinds()
            next_in = EVERY_SECONDS
        finally:
            await self.pool.execute(RELEASE, claim, next_in)
        return True

    async def delete_kinds(self) -> None:
        """Delete the old rows of every kind. One that takes too long now keeps no other waiting; it is
        due again at once."""
        slow: Exception | None = None
        for rows in self.kept:
            try:
                await self.delete_rows(rows)
            except asyncpg.QueryCanceledError as exc:
                log.warning("retention.too_slow", kind=rows.kind)
                slow = exc
        if slow is not None:
            raise slow

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
