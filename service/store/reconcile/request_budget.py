"""The budget of requests to Vapi, shared by all replicas in PostgreSQL.

One row holds the time at which the next request may go out (generic cell rate algorithm): each request
moves it on by one interval, and requests that come early wait. Hang-ups count and never wait.
"""

import asyncio
import time

from service.domain.priority import Priority
from service.store.pool import UNAVAILABLE, Pool

BURST = 5
ACCESS_BURST = 20
ADMIN_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
HANGUP_PATIENCE_SECONDS = 0.1
LONGEST_BACK_OFF = 60.0

# $1: the interval between requests in seconds; $2: how many may go out at once.
TAKE = """
UPDATE callgate.vapi_budget
SET next_request_at = greatest(next_request_at, clock_timestamp()) + make_interval(secs => $1::float8)
RETURNING extract(epoch FROM next_request_at - clock_timestamp()) - $1::float8 * $2::float8 AS wait
"""


# A back-off moves the next request on; hang-ups do not wait for it.
BACK_OFF = """
UPDATE callgate.vapi_budget SET next_request_at =
    greatest(next_request_at, clock_timestamp() + make_interval(secs => $1::float8 * $2::float8 + $3))
"""


class Budget:
    """Paces this replica's requests so that all replicas together stay within the rate."""

    def __init__(self, pool: Pool, requests_per_second: float) -> None:
        self.pool = pool
        self.interval = 1 / requests_per_second
        self.local_next = float("-inf")

    async def pace(self, priority: Priority) -> None:
        """Return when a request of this priority may go out."""
        if priority is Priority.HANGUP:
            await self.take(HANGUP_PATIENCE_SECONDS)
            return
        wait = await self.take(PATIENCE_SECONDS)
        if priority is Priority.ACCESS:
            # One organization that paid has its number back at once; a hundred keep to the rate.
            wait -= self.interval * ACCESS_BURST
        if priority is Priority.ADMIN:
            wait = min(wait, ADMIN_SECONDS)
        if wait > 0:
            await asyncio.sleep(wait)

    async def back_off(self, seconds: float) -> None:
        """Pause all requests but hang-ups for so many seconds, because Vapi throttles."""
        seconds = min(seconds, LONGEST_BACK_OFF)
        self.local_next = max(self.local_next, time.monotonic() + seconds + self.interval * BURST)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.pool.execute(BACK_OFF, self.interval, BURST, seconds)
        except UNAVAILABLE:
            pass  # this replica backs off on its own

    async def take(self, patience: float) -> float:
        """Count one request; returns the seconds to wait for it. While PostgreSQL is unreachable, this
        replica paces itself at the same rate."""
        try:
            async with asyncio.timeout(patience):
                return float(await self.pool.fetchval(TAKE, self.interval, BURST))
        except UNAVAILABLE:
            now = time.monotonic()
            self.local_next = max(self.local_next, now) + self.interval
            return self.local_next - now - self.interval * BURST
