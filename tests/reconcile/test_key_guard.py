"""A refused key is recorded the same way, whichever request met it."""

from collections.abc import Awaitable, Callable

import pytest

from service.domain.errors import UnavailableError
from service.reconcile.key_guard import RETRY_SECONDS
from service.reconcile.probe import VapiProbe
from tests.support.reconciling import World

RECORDED = """
SELECT key_fingerprint, extract(epoch FROM key_retry_at - key_refused_at)::float8 AS retry_in
FROM callgate.reconciliation
"""


async def by_a_pass(world: World) -> None:
    (number_id,) = (await world.numbers(1)).values()
    await world.parts.reconciler.reconcile(number_id)


async def by_a_sweep(world: World) -> None:
    await world.numbers(1)
    with pytest.raises(UnavailableError):
        await world.sweep()


async def by_the_probe(world: World) -> None:
    world.parts.key.client.reach.tried_at = float("-inf")
    await VapiProbe(world.parts.key.client, world.parts.key).turn()


@pytest.mark.parametrize("meet", [by_a_pass, by_a_sweep, by_the_probe])
async def test_a_refused_key_is_recorded(
    world: World, meet: Callable[[World], Awaitable[None]]
) -> None:
    world.vapi.fail("*", status=401)
    await meet(world)
    key = world.parts.key
    assert await key.refused_since() is not None
    row = await world.pool.fetchrow(RECORDED)
    assert row is not None
    assert (row["key_fingerprint"], row["retry_in"]) == (key.fingerprint, RETRY_SECONDS)
    assert await key.seconds_closed() > 0
