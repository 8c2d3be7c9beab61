"""Leases: work that one replica at a time does, renewed while it lasts and taken over soon after a kill.

A claim is a number that only grows; whatever is written under an older one has no effect. Here the
holder also stops in time: its lease is over for itself before it is over for the others.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from service.store.failures import UNAVAILABLE

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0

Renew = Callable[[], Awaitable[bool]]
"""Extends the lease in PostgreSQL; False once another replica has taken it over."""


class LeaseLostError(ConnectionError):
    """The lease was taken over, or could not be renewed in time. Another replica may do the work."""


@asynccontextmanager
async def holding(
    renew: Renew,
    claimed_at: float,
    *,
    seconds: float = LEASE_SECONDS,
    every: float = RENEW_SECONDS,
) -> AsyncIterator[None]:
    """Renew a lease until the block ends; `claimed_at` is the loop's time before it was claimed.

    The block is interrupted, wherever it waits, once the lease is lost: then this raises
    `LeaseLostError`.
    """
    limit = asyncio.timeout_at(claimed_at + seconds)
    try:
        async with limit:
            renewing = asyncio.create_task(keep_renewing(renew, limit, seconds, every))
            try:
                yield
            finally:
                renewing.cancel()
    except TimeoutError as exc:
        if limit.expired():
            raise LeaseLostError("The lease was lost.") from exc
        raise


async def keep_renewing(renew: Renew, limit: asyncio.Timeout, seconds: float, every: float) -> None:
    """Move the limit on with every renewal; bring it to now once the lease is taken over."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every)
        asked_at, held = loop.time(), True
        with suppress(*UNAVAILABLE):
            async with asyncio.timeout(every):
                held = await renew()
            if not limit.expired():
                limit.reschedule(asked_at + seconds if held else asked_at)
        if not held:
            return
