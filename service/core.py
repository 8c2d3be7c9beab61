"""What every replica and every command works with: the pool, the HTTP session, the Vapi client.

Built here and nowhere else.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from service.domain.priority import Priority
from service.settings import Settings
from service.store.limits import CALLS
from service.store.pool import Pool, close_pool, create_pool
from service.store.reconcile.request_budget import Budget
from service.vapi.client import VapiClient
from service.vapi.lookups import Lookups

MOST_FOR_CALLS = 8
"""Connections of the pool for calls. Each message of a call uses one for a few milliseconds."""
MOST_FOR_RELAY = 4
"""Connections of the pool for relayed messages: one writes, the others load and claim."""
MOST_FOR_LIMITS = 5
"""Connections of the pool that counts limited calls: `slot_writer.AT_ONCE` count, so that a locked
organization keeps no other waiting, and one reads the counts. None is opened before it is needed."""

Pace = Callable[[Priority], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that all rooms share. `dsn` is for connections outside the pools; `calls` is the pool of
    what records and hangs up calls, so that no other work keeps a call waiting; `relay` is that of
    messages for organizations' servers, which wait for no call either."""

    settings: Settings
    dsn: str
    pool: Pool
    calls: Pool
    relay: Pool
    counting: Pool
    session: aiohttp.ClientSession
    client: VapiClient


@asynccontextmanager
async def open_core(
    settings: Settings,
    dsn: str,
    *,
    pool_size: int | None = None,
    at_least: int = 1,
    direct: str = "",
) -> AsyncIterator[Core]:
    """Connect to PostgreSQL and build the shared parts; close them on the way out.

    `direct` is PostgreSQL's own address where `dsn` leads to a pooler in transaction mode. Raises one
    of `UNAVAILABLE` while PostgreSQL does not answer, unless `at_least` is 0.
    """
    size = pool_size or settings.callgate_pool_size
    opening = partial(create_pool, dsn, at_least=at_least, pooled=bool(direct))
    async with AsyncExitStack() as stack:
        pool = await opening(size)
        stack.push_async_callback(close_pool, pool)
        calls = await opening(min(size, MOST_FOR_CALLS), limits=CALLS)
        stack.push_async_callback(close_pool, calls)
        relay, counting = [
            await create_pool(dsn, min(size, most), at_least=0, pooled=bool(direct), limits=CALLS)
            for most in (MOST_FOR_RELAY, MOST_FOR_LIMITS)
        ]
        for own in (relay, counting):
            stack.push_async_callback(close_pool, own)
        budget = Budget(pool, settings.callgate_vapi_requests_per_second)
        session = await stack.enter_async_context(open_session(settings))
        client = build_client(settings, session, budget.pace, budget.back_off)
        yield Core(settings, direct or dsn, pool, calls, relay, counting, session, client)


@asynccontextmanager
async def open_session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for Vapi's API and the operator's own hosts; it keeps no cookies."""
    lookups = Lookups(settings.callgate_name_servers, keep_last=True)
    connector = aiohttp.TCPConnector(resolver=lookups, use_dns_cache=False)
    try:
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield session
    finally:
        await lookups.close()


def build_client(
    settings: Settings,
    session: aiohttp.ClientSession,
    pace: Pace,
    back_off: Callable[[float], Awaitable[None]] | None = None,
) -> VapiClient:
    """The client of Vapi; `pace` waits until a request may go out."""
    return VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, pace, back_off)
