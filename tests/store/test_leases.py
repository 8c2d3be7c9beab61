"""A lease lasts while it is renewed; its holder stops, wherever it waits, once it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from service.store.calls import watch
from service.store.imports import imports
from service.store.leases import LEASE_SECONDS, LeaseLostError, holding
from service.store.pool import Pool
from service.store.reconcile import state

SECONDS, EVERY = 0.4, 0.05


class Holder:
    """Work that waits until it is interrupted; a test answers the renewals of its lease."""

    def __init__(self) -> None:
        self.renewals = 0
        self.answer: bool | Exception = True
        self.stopped = asyncio.Event()

    async def renew(self) -> bool:
        self.renewals += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def work(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with holding(self.renew, began, seconds=SECONDS, every=EVERY):
                await asyncio.Event().wait()
        finally:
            self.stopped.set()


@pytest.mark.parametrize("answer", [False, ConnectionError("away"), TimeoutError("slow")])
async def test_a_lost_lease_stops_its_holder(answer: bool | Exception) -> None:
    holder = Holder()
    working = asyncio.create_task(holder.work())
    await asyncio.sleep(2 * SECONDS)
    assert not holder.stopped.is_set()
    assert holder.renewals >= 2
    holder.answer = answer
    async with asyncio.timeout(10):
        with pytest.raises(LeaseLostError):
            await working
    renewals = holder.renewals
    await asyncio.sleep(3 * EVERY)
    assert holder.renewals == renewals


async def test_other_errors_pass_through() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError, match="another"):
        async with holding(Holder().renew, loop.time()):
            raise TimeoutError("another")


@dataclass(frozen=True)
class Claims:
    """The claims on one kind of work, as replicas make them."""

    table: str
    claim: Callable[[Pool], Awaitable[Any]]
    renew: Callable[[Pool, Any], Awaitable[bool]]
    release: Callable[[Pool, Any], Awaitable[None]]


async def claim_watch(pool: Pool) -> Any:
    return (await watch.claim(pool) or (None,))[0]


async def claim_import(pool: Pool) -> Any:
    await pool.execute(
        "INSERT INTO callgate.imports (created_by, source, file_name, state, applied_by) "
        "SELECT 'ada', 'web', 'a.csv', 'applying', 'ada' "
        "WHERE NOT EXISTS (SELECT FROM callgate.imports)"
    )
    return await imports.claim(pool)


ALL_CLAIMS = (
    Claims(
        "reconciliation",
        state.claim_sweep,
        state.extend_lease,
        lambda pool, claim: state.end_sweep(pool, claim, 0),
    ),
    Claims(
        "call_watch",
        claim_watch,
        watch.renew,
        lambda pool, claim: watch.release(pool, claim, 0, watch.CallListFindings()),
    ),
    Claims("imports", claim_import, imports.renew, imports.release),
)


@pytest.mark.parametrize("claims", ALL_CLAIMS, ids=lambda claims: claims.table)
async def test_a_claim_is_taken_over_once_it_is_not_renewed(pool: Pool, claims: Claims) -> None:
    first = await claims.claim(pool)
    assert await claims.renew(pool, first)
    assert not await claims.claim(pool)
    seconds = await pool.fetchval(
        f"SELECT extract(epoch FROM claimed_until - now())::float8 FROM callgate.{claims.table}"
    )
    assert seconds <= LEASE_SECONDS < 10
    await pool.execute(f"UPDATE callgate.{claims.table} SET claimed_until = now()")
    second = await claims.claim(pool)
    assert second
    assert not await claims.renew(pool, first)
    await claims.release(pool, first)
    assert await claims.renew(pool, second)
    await claims.release(pool, second)
    # A renewal that is late claims nothing.
    assert not await claims.renew(pool, second)
